import { prepare } from "@residual/pipeline";
import type { Command } from "commander";
import { type Context, command, prefixOption } from "../command.ts";
import { UsageError } from "../errors.ts";
import { type ModelWriter, modelWriter, reportWords } from "../model-file.ts";
import { modelCalled, specNamed } from "../names.ts";
import { checkNamed } from "../out-path.ts";
import { parseInputShape } from "../shape.ts";
import { type Output, progressBar, say } from "../terminal.ts";
import { checkTritonPlace, writeTritonModel } from "../triton.ts";

interface Options extends Output {
  readonly weights: string;
  readonly prefix?: string;
  readonly to: string;
  readonly input?: string;
  readonly external?: true;
  readonly quantize?: string;
  readonly engine?: string;
  readonly triton?: true;
}

/** Writes a model with its weights as one file, or as a folder. */
export function exportCommand({ signal }: Context): Command {
  return command(
    "export",
    "write a model with its weights as .onnx, weights, PyTorch code or a TensorFlow.js graph model",
    [
      "export resnet50 --weights r50.safetensors --to r50.onnx",
      "export resnet50 --weights r50.safetensors --to net.py",
      "export resnet50 --weights r50.safetensors --to r50/",
    ],
  )
    .argument("<model>")
    .requiredOption("--weights <w>", "a file, known weights or fixture:SALT")
    .addOption(prefixOption())
    .requiredOption(
      "--to <path>",
      "a path ending in .onnx, .safetensors, .pth, .npz or .py (a PyTorch module, its weights beside it),\n" +
        "or without ending the folder of a graph model",
    )
    .option("--input <shape>", "fix the input's shape, as 1x3x224x224; an open batch where not given")
    .option("--external", "an .onnx with its weights in a .bin file beside it")
    .option("--quantize <dtype>", "store a graph model's kernels as uint8 or float16, and report how much they change")
    .option("--engine <name>", "the engine that a graph model is optimized for; wasm where not given")
    .option("--triton", "a folder for NVIDIA Triton: a model repository, to which the model is added")
    .action(async (model: string, options: Options) => {
      const spec = specNamed(model);
      const write = await writeOf(model, options);
      const bar = progressBar();
      try {
        const work = { signal, onProgress: bar.onProgress };
        const input = options.input === undefined ? undefined : parseInputShape(options.input, spec);
        const prepared = await prepare({ ...work, model, weights: options.weights, prefix: options.prefix, input });
        const report = await write(prepared, work);
        bar.end();
        say(options, { model, weights: options.weights, to: options.to, ...report }, () => [
          `${options.to}: ${model} with ${options.weights}`,
          ...(report ? reportWords(report) : []),
        ]);
      } finally {
        bar.end();
      }
    });
}

/** Checks the options before work is done. */
async function writeOf(model: string, options: Options): Promise<ModelWriter["write"]> {
  const { to, weights, triton, external, quantize, engine } = options;
  if (!triton) return (await modelWriter(to, "--to", { ...options, from: weights })).write;
  checkNamed(to, "--to");
  if (external || quantize !== undefined || engine !== undefined)
    throw new UsageError("--triton writes one .onnx file; leave out --external, --quantize and --engine");
  await checkTritonPlace(to, modelCalled(model));
  return async (prepared, work) => {
    await writeTritonModel(prepared, to, work);
    return undefined;
  };
}
