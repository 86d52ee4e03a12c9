import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Executable, type Graph, ShapeError, select, type Tensor } from "@residual/core";
import { makeFolder } from "@residual/kit/files";
import {
  backendNames,
  bindModel,
  checkBackend,
  compileOn,
  identify,
  knownPreprocessing,
  type Prepared,
} from "@residual/pipeline";
import { type DecodeOptions, decodeImage, preprocess } from "@residual/vision";
import type { WebgpuExecutable } from "@residual/webgpu";
import { writeSafetensors } from "@residual/weights";
import type { Command } from "commander";
import {
  backendOption,
  type Context,
  command,
  type PreprocessingOptions,
  prefixOption,
  preprocessingChanges,
  threadsOption,
  withPreprocessing,
} from "../command.ts";
import { UsageError } from "../errors.ts";
import { checkChannels, givenImage } from "../input-image.ts";
import { specNamed } from "../names.ts";
import { checkSafetensorsPath } from "../out-path.ts";
import { pictureNamed } from "../pictures/stdin.ts";
import { type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly weights: string;
  readonly prefix?: string;
  readonly input: string;
  readonly shape?: string;
  readonly outputs?: string;
  readonly out: string;
  readonly backend: string;
  readonly threads?: number;
  readonly dumpWgsl?: string;
}

/** Runs a model once and writes outputs, which can be any values of the graph. */
export function runCommand({ signal }: Context): Command {
  const run = command("run", "run a model once and write its outputs", [
    "run resnet50 --weights r50.safetensors --input cat.png \\\n      --out out.safetensors",
    "run resnet18 --weights fixture:v1 --input fixture:v1 \\\n      --out out.safetensors",
  ])
    .argument("<model>")
    .requiredOption("--weights <w>", "a file, known weights or fixture:SALT")
    .addOption(prefixOption())
    .requiredOption(
      "--input <i>",
      "a picture, - for one on stdin, a .safetensors file with the tensor image, an array as .npy, or fixture:SALT",
    )
    .option("--shape <shape>", "shape of a generated input, as 2x3x224x224")
    .option("--outputs <names>", "values to write, as logits,layer4,layer4.2.relu")
    .requiredOption("--out <file>", "a .safetensors file, one tensor an output")
    .addOption(backendOption())
    .addOption(threadsOption())
    .option("--dump-wgsl <dir>", "write the programs and the plan of the backend webgpu there");
  return withPreprocessing(run).action(async (model: string, options: Options) => {
    const bar = progressBar();
    try {
      const work = { signal, onProgress: bar.onProgress };
      specNamed(model);
      await checkSafetensorsPath(options.out);
      const given = await givenImage(options.input, options.shape, model);
      await checkBackend(options.backend, ["auto", ...backendNames]);
      const preprocessing = preprocessingChanges(options);
      const identified = await identify({
        ...work,
        model,
        weights: options.weights,
        prefix: options.prefix,
        preprocessing,
      });
      if (given) checkChannels(options.input, given, model, identified.spec);
      const prepared = await bindModel(identified, given?.shape);
      const graph = withOutputs(prepared.graph, options.outputs);
      const image =
        given?.tensor() ?? (await pictureOf(prepared, options.input, { signal, maxPixels: options.maxPixels }));
      const asked = { ...work, threads: options.threads, onWarning: remarkInLines };
      const compiled = await compileOn(options.backend, graph, asked);
      const { backend, description } = compiled;
      await using executable = compiled.executable;
      if (options.dumpWgsl !== undefined) await dumpPrograms(executable, options.dumpWgsl);
      const outputs = await executable.run({ image }, work);
      await writeSafetensors(
        options.out,
        outputs,
        { model, weights: options.weights, backend: backend.name },
        { signal },
      );
      bar.end();
      remark(`${model} on ${backend.name} (${description.library} ${description.version})`);
      for (const note of prepared.notes) remark(note);
      const shapes = Object.fromEntries(Object.entries(outputs).map(([name, { shape }]) => [name, shape]));
      say(options, { model, backend: backend.name, input: image.shape, outputs: shapes, out: options.out }, () =>
        Object.entries(shapes).map(([name, shape]) => `${options.out}: ${name} [${shape.join(", ")}]`),
      );
    } finally {
      bar.end();
    }
  });
}

/** Writes the shaders of a webgpu executable, one file each, and plan.txt with their order. */
async function dumpPrograms(executable: Executable, folder: string): Promise<void> {
  if (!hasPrograms(executable)) {
    throw new UsageError("--dump-wgsl is for programs of the backend webgpu; add --backend webgpu");
  }
  const { plan, programs } = executable;
  await makeFolder(folder);
  await writeFile(join(folder, "plan.txt"), `${plan}\n`);
  for (const { name, wgsl } of programs) {
    await writeFile(join(folder, `${name.replaceAll("×", "x").replaceAll(/[^\w-]+/g, "-")}.wgsl`), wgsl);
  }
}

function hasPrograms(executable: Executable): executable is WebgpuExecutable {
  return "programs" in executable;
}

/** The graph with the requested outputs; default: its own. Throws UsageError for other names. */
function withOutputs(graph: Graph<"image">, asked: string | undefined): Graph<"image"> {
  if (asked === undefined) return graph;
  try {
    return select(
      graph,
      asked.split(",").map((name) => name.trim()),
    );
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new UsageError(`--outputs: ${error.message}`, { cause: error });
  }
}

async function pictureOf(
  prepared: Prepared,
  input: string,
  options: DecodeOptions & Context,
): Promise<Tensor<"float32">> {
  const preprocessing = knownPreprocessing(prepared);
  return preprocess(
    await decodeImage(pictureNamed(input), { ...options, upright: preprocessing.upright }),
    preprocessing,
  );
}
