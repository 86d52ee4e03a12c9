import type { WorkOptions } from "@residual/core";
import { prepare, recognize } from "@residual/pipeline";
import type { GraphModelReport } from "@residual/tfjs";
import { readWeights, type Weights } from "@residual/weights";
import type { Command } from "commander";
import { type Context, command, prefixOption } from "../command.ts";
import { UsageError } from "../errors.ts";
import { type ModelWriter, modelWriter, reportWords } from "../model-file.ts";
import { modelCalled } from "../names.ts";
import { isSameFile } from "../out-path.ts";
import { isRunToPyTorch, writeRunToPyTorch } from "../run-checkpoint.ts";
import { type Output, progressBar, remark, say } from "../terminal.ts";

interface Options extends Output {
  readonly model?: string;
  readonly prefix?: string;
  readonly external?: true;
  readonly quantize?: string;
}

/** Converts weights to the format of the second path's file extension. */
export function convertCommand({ signal }: Context): Command {
  return command("convert", "write weights in another format, told by the ending of the path", [
    "convert resnet50.pth resnet50.safetensors",
    "convert resnet.h5 resnet.onnx --model mlperf_tiny_resnet8",
  ])
    .argument("<from>", "a file, a folder, known weights or fixture:SALT")
    .argument(
      "<to>",
      "a path ending in .safetensors, .pth, .npz, .onnx or .py (a PyTorch module),\n" +
        "or without ending the folder of a TensorFlow.js graph model",
    )
    .option("--model <name>", "the model that the weights are for; told by the weights where not given")
    .addOption(prefixOption())
    .option("--external", "an .onnx with its weights in a .bin file beside it")
    .option("--quantize <dtype>", "store a graph model's kernels as uint8 or float16, and report how much they change")
    .action(async (from: string, to: string, { model: asked, ...options }: Options) => {
      if (asked !== undefined) modelCalled(asked);
      if (isSameFile(from, to)) throw new UsageError(`${to} is the file to be read; give another path`);
      const writer = await modelWriter(to, "the second path", { ...options, from });
      const bar = progressBar();
      try {
        const { model, report, notes } = await convert(from, to, asked, writer, {
          prefix: options.prefix,
          signal,
          onProgress: bar.onProgress,
        });
        bar.end();
        for (const note of notes) remark(note);
        const what = model === null ? "its tensors under the names that they have" : model;
        say(options, { from, to, model, ...report }, () => [
          `${to}: ${what}, from ${from}`,
          ...(report ? reportWords(report) : []),
        ]);
      } finally {
        bar.end();
      }
    });
}

interface Converted {
  /** Null if the tensors fit no model; they then keep their names. */
  readonly model: string | null;
  readonly report: GraphModelReport | undefined;
  readonly notes: readonly string[];
}

/** Weights of an unknown model are written too, if the format stores tensors without a graph. */
async function convert(
  from: string,
  to: string,
  asked: string | undefined,
  { write, writeBare }: ModelWriter,
  { prefix, ...work }: WorkOptions & { readonly prefix: string | undefined },
): Promise<Converted> {
  const weights = from.startsWith("fixture:") ? from : await readWeights(from, { ...work, prefix });
  if (typeof weights !== "string" && isRunToPyTorch(weights, to))
    return { model: await writeRunToPyTorch(from, to, work), report: undefined, notes: [] };
  if (typeof weights !== "string" && writeBare && asked === undefined && (await isOfNoModel(weights))) {
    await writeBare(weights, work);
    return { model: null, report: undefined, notes: [`${from} fits no known model: its tensors keep their names`] };
  }
  const prepared = await prepare({ ...work, model: asked, weights });
  const report = await write(prepared, work);
  const folded = "norms are folded into convolutions: the numbers are others, and the answers the same up to rounding";
  const halves = typeof weights === "string" ? [] : widenedNote(from, weights);
  return { model: prepared.model, report, notes: [...prepared.notes, ...halves, ...(report ? [folded] : [])] };
}

function widenedNote(from: string, { stored }: Weights): readonly string[] {
  const halves = [...new Set(stored?.dtypes.values())].filter((dtype) => /^b?float16$/.test(dtype));
  return halves.length > 0 ? [`numbers of ${from} are ${halves.join(" and ")}, and written as float32`] : [];
}

async function isOfNoModel(weights: Weights): Promise<boolean> {
  if (weights.model !== undefined) return false;
  return weights.graph?.mismatch !== undefined || (await recognize(weights)).models.length === 0;
}
