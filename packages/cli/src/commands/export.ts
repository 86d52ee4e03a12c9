import { extname } from "node:path";
import { constantsOf, UnsupportedError } from "@residual/core";
import { writeOnnx } from "@residual/onnx";
import { writeSafetensors } from "@residual/weights";
import type { Command } from "commander";
import { type Context, command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { checkOut } from "../out.ts";
import { type Prepared, parseShape, prepare } from "../prepare.ts";
import { type Output, progressBar, say } from "../terminal.ts";

interface Options extends Output {
  readonly weights: string;
  readonly to: string;
  readonly input?: string;
  readonly external?: true;
}

/** A model with its weights as one file. */
export function exportCommand({ signal }: Context): Command {
  return command("export", "write a model with its weights as .onnx or .safetensors")
    .argument("<model>")
    .requiredOption("--weights <w>", "a file, known weights or fixture:SALT")
    .requiredOption("--to <file>", "a path ending in .onnx or .safetensors")
    .option("--input <shape>", "fix the input's shape, as 1x3x224x224; an open batch where not given")
    .option("--external", "an .onnx with its weights in a .bin file beside it")
    .action(async (model: string, options: Options) => {
      const write = writerOf(options);
      await checkOut(options.to);
      const bar = progressBar();
      try {
        const work = { signal, onProgress: bar.onProgress };
        const input = options.input === undefined ? undefined : parseShape(options.input);
        const prepared = await prepare({ ...work, model, weights: options.weights, input });
        await write(prepared, options, work);
        bar.end();
        say(
          options,
          { model, weights: options.weights, to: options.to },
          () => `${options.to}: ${model} with ${options.weights}`,
        );
      } finally {
        bar.end();
      }
    });
}

type Write = (prepared: Prepared, options: Options, work: Context) => Promise<void>;

/** Before any work is done: what the path's ending asks for. */
function writerOf({ to, external: beside }: Options): Write {
  const ending = extname(to).toLowerCase();
  if (beside && ending !== ".onnx") throw new UsageError(`--external goes with an .onnx file, not with --to ${to}`);
  switch (ending) {
    case ".onnx":
      return (prepared, { external = false }, work) =>
        writeOnnx(prepared.graph, to, { ...work, external, metadata: metadataOf(prepared) });
    case ".safetensors":
      return ({ graph, ...prepared }, _, work) => {
        const tensors = new Map(constantsOf(graph).map(({ name, tensor }) => [name, tensor]));
        return writeSafetensors(to, tensors, { format: "pt", model: prepared.model, ...metadataOf(prepared) }, work);
      };
    case "":
      throw new UnsupportedError(
        `${to} would be a folder, for a TensorFlow.js graph model, which this version does not write; name a .onnx or .safetensors file`,
      );
    default:
      throw new UsageError(`--to ${to} ends in ${extname(to)}; expected .onnx or .safetensors`);
  }
}

/** What whoever opens the file needs beside the numbers. */
function metadataOf({ preprocessing, labels }: Omit<Prepared, "graph">): Readonly<Record<string, string>> {
  return { preprocessing: JSON.stringify(preprocessing), ...(labels && { classes: JSON.stringify(labels) }) };
}
