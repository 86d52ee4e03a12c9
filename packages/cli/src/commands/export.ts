import { extname } from "node:path";
import { constantsOf } from "@residual/core";
import { checkPlace } from "@residual/kit/files";
import { writeOnnx } from "@residual/onnx";
import { type Prepared, prepare } from "@residual/pipeline";
import { engineNames, type GraphModelReport, type QuantizationName } from "@residual/tfjs";
import { checkGraphModelFolder, writeGraphModel } from "@residual/tfjs/node";
import { writeSafetensors } from "@residual/weights";
import type { Command } from "commander";
import { type Context, command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { oneOf, specNamed } from "../names.ts";
import { checkNamed } from "../out-path.ts";
import { parseInputShape } from "../shape.ts";
import { type Output, progressBar, say } from "../terminal.ts";

interface Options extends Output {
  readonly weights: string;
  readonly to: string;
  readonly input?: string;
  readonly external?: true;
  readonly quantize?: string;
  readonly engine?: string;
}

/** A model with its weights as one file, or as a folder of them. */
export function exportCommand({ signal }: Context): Command {
  return command("export", "write a model with its weights as .onnx, .safetensors or a TensorFlow.js graph model", [
    "export resnet50 --weights r50.safetensors --to r50.onnx",
    "export resnet50 --weights r50.safetensors --to r50/",
  ])
    .argument("<model>")
    .requiredOption("--weights <w>", "a file, known weights or fixture:SALT")
    .requiredOption(
      "--to <path>",
      "a path ending in .onnx or .safetensors, or without ending the folder of a graph model",
    )
    .option("--input <shape>", "fix the input's shape, as 1x3x224x224; an open batch where not given")
    .option("--external", "an .onnx with its weights in a .bin file beside it")
    .option(
      "--quantize <dtype>",
      "store a graph model's kernels as uint8 or float16; the report says how far that moves them",
    )
    .option("--engine <name>", "the engine that a graph model is optimized for; wasm where not given")
    .action(async (model: string, options: Options) => {
      const spec = specNamed(model);
      const write = await writerOf(options);
      const bar = progressBar();
      try {
        const work = { signal, onProgress: bar.onProgress };
        const input = options.input === undefined ? undefined : parseInputShape(options.input, spec);
        const prepared = await prepare({ ...work, model, weights: options.weights, input });
        const report = await write(prepared, work);
        bar.end();
        say(options, { model, weights: options.weights, to: options.to, ...report }, () => [
          `${options.to}: ${model} with ${options.weights}`,
          ...(report ? words(report) : []),
        ]);
      } finally {
        bar.end();
      }
    });
}

type Write = (prepared: Prepared, work: Context) => Promise<GraphModelReport | undefined>;

/** Before any work is done: what the path's ending asks for, and whether it can be put there. */
async function writerOf(options: Options): Promise<Write> {
  const { to, external = false, quantize, engine } = options;
  checkNamed(to, "--to");
  const ending = extname(to).toLowerCase();
  const isFolder = ending === "" || to.endsWith("/");
  if (external && ending !== ".onnx") throw new UsageError(`--external goes with an .onnx file, not with --to ${to}`);
  if ((quantize ?? engine) !== undefined && !isFolder) {
    throw new UsageError(`--quantize and --engine go with a folder for a graph model, not with --to ${to}`);
  }
  if (isFolder) {
    const write = graphModelWriter(to, options);
    await checkGraphModelFolder(to);
    return write;
  }
  const write = fileWriterOf(to, ending, external);
  await checkPlace(to);
  return write;
}

function fileWriterOf(to: string, ending: string, external: boolean): Write {
  switch (ending) {
    case ".onnx":
      return async (prepared, work) => {
        await writeOnnx(prepared.graph, to, { ...work, external, metadata: metadataOf(prepared) });
        return undefined;
      };
    case ".safetensors":
      return async ({ graph, ...prepared }, work) => {
        const tensors = new Map(constantsOf(graph).map(({ name, source }) => [name, source]));
        await writeSafetensors(to, tensors, { format: "pt", model: prepared.model, ...metadataOf(prepared) }, work);
        return undefined;
      };
    default:
      throw new UsageError(
        `--to ${to} ends in ${extname(to)}; expected .onnx, .safetensors, or no ending for a folder`,
      );
  }
}

const dtypes: readonly QuantizationName[] = ["uint8", "float16"];

function graphModelWriter(to: string, { quantize, engine }: Options): Write {
  const options = {
    ...(quantize !== undefined && { quantization: oneOf(quantize, dtypes, "dtype") }),
    ...(engine !== undefined && { engine: oneOf(engine, engineNames, "engine") }),
  };
  return (prepared, work) =>
    writeGraphModel(prepared.graph, to, { ...options, ...work, metadata: metadataOf(prepared) });
}

function words({ bytes, shards, quantization }: GraphModelReport): readonly string[] {
  const size = `a TensorFlow.js graph model of ${(bytes / 2 ** 20).toFixed(1)} MiB, its weights in ${shards} ${shards === 1 ? "file" : "files"}`;
  if (!quantization) return [size];
  const { dtype, worst, relative } = quantization;
  const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;
  return [
    `${size}, in ${dtype}`,
    `that moves its numbers by ${percent(relative)} over all (root mean square),`,
    `the furthest in ${worst.weight}:`,
    `by up to ${worst.error.toPrecision(2)}, ${percent(worst.error / worst.largest)} of its largest number`,
  ];
}

/** What whoever opens the file needs beside the numbers. */
function metadataOf({ preprocessing, labels }: Omit<Prepared, "graph">): Readonly<Record<string, string>> {
  return {
    ...(preprocessing && { preprocessing: JSON.stringify(preprocessing) }),
    ...(labels && { classes: JSON.stringify(labels) }),
  };
}
