import { mkdir, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import {
  concrete,
  type Executable,
  FormatError,
  fixtureInput,
  type Graph,
  type Shape,
  select,
  sizeOf,
  type Tensor,
  valuesOf,
} from "@residual/core";
import { checkPlace } from "@residual/kit/files";
import { chooseBackend, knownPreprocessing, type Prepared, prepare } from "@residual/pipeline";
import { type DecodeOptions, decodeImage, preprocess } from "@residual/vision";
import type { WebgpuExecutable } from "@residual/webgpu";
import { readTensors, readWeights, writeSafetensors } from "@residual/weights";
import type { Command } from "commander";
import {
  backendOption,
  type Context,
  command,
  type PreprocessingOptions,
  preprocessingChanges,
  threadsOption,
  withPreprocessing,
} from "../command.ts";
import { UsageError } from "../errors.ts";
import { oneOf, specNamed } from "../names.ts";
import { parseShape } from "../shape.ts";
import { type Output, progressBar, remark, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly weights: string;
  readonly input: string;
  readonly shape?: string;
  readonly outputs?: string;
  readonly out: string;
  readonly backend: string;
  readonly threads?: number;
  readonly dumpWgsl?: string;
}

/** One run of a model, its outputs into a file: any value of the graph can be one. */
export function runCommand({ signal }: Context): Command {
  const run = command("run", "run a model once and write its outputs")
    .argument("<model>")
    .requiredOption("--weights <w>", "a file, known weights or fixture:SALT")
    .requiredOption("--input <i>", "fixture:SALT, a picture, or a .safetensors file with the tensor image")
    .option("--shape <shape>", "of a fixture's image, as 2x3x224x224")
    .option("--outputs <names>", "values to write, as logits,layer4,layer4.2.relu")
    .requiredOption("--out <file>", "a .safetensors file, one tensor an output")
    .addOption(backendOption())
    .addOption(threadsOption())
    .option("--dump-wgsl <dir>", "with the backend webgpu: its programs and its plan, to be read");
  return withPreprocessing(run).action(async (model: string, options: Options) => {
    const bar = progressBar();
    try {
      const work = { signal, onProgress: bar.onProgress };
      specNamed(model);
      await checkPlace(options.out);
      const { backend, description } = await chooseBackend(options.backend, { ...options, onWarning: remark });
      const given = await givenImage(model, options);
      const prepared = await prepare({
        ...work,
        model,
        weights: options.weights,
        input: given?.shape,
        preprocessing: preprocessingChanges(options),
      });
      const names = outputsOf(prepared.graph, options.outputs);
      const image = given ?? (await pictureOf(prepared, options.input, { signal, maxPixels: options.maxPixels }));
      await using executable = await backend.compile(select(prepared.graph, names), work);
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
      const shapes = Object.fromEntries(Object.entries(outputs).map(([name, { shape }]) => [name, shape]));
      say(options, { model, backend: backend.name, input: image.shape, outputs: shapes, out: options.out }, () =>
        Object.entries(shapes)
          .map(([name, shape]) => `${options.out}: ${name} [${shape.join(", ")}]`)
          .join("\n"),
      );
    } finally {
      bar.end();
    }
  });
}

/** What a webgpu executable runs: a file a program, and plan.txt, which says in which order. */
async function dumpPrograms(executable: Executable, folder: string): Promise<void> {
  if (!hasPrograms(executable)) {
    throw new UsageError("--dump-wgsl is for programs of the backend webgpu; add --backend webgpu");
  }
  const { plan, programs } = executable;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "plan.txt"), `${plan}\n`);
  for (const { name, wgsl } of programs) {
    await writeFile(join(folder, `${name.replaceAll("×", "x").replaceAll(/[^\w-]+/g, "-")}.wgsl`), wgsl);
  }
}

function hasPrograms(executable: Executable): executable is WebgpuExecutable {
  return "programs" in executable;
}

/** The names that were asked for, each of a value or a stage; where none were, the model's own outputs. */
function outputsOf({ name, aliases, outputs, ...rest }: Graph, asked: string | undefined): readonly string[] {
  if (asked === undefined) return Object.keys(outputs);
  const values = valuesOf({ name, aliases, outputs, ...rest }).filter(({ kind }) => kind === "node");
  const names = [...new Set([...Object.keys(outputs), ...Object.keys(aliases), ...values.map(({ name }) => name)])];
  return asked.split(",").map((each) => oneOf(each.trim(), names, `output in ${name}:`, `residual summary ${name}`));
}

/** The image, where it is known before the model is built; a picture waits for the weights' preprocessing. */
async function givenImage(model: string, { input, shape }: Options): Promise<Tensor<"float32"> | undefined> {
  if (input.startsWith("fixture:")) return fixtureInput(saltOf(input), shapeOf(model, shape));
  if (shape !== undefined)
    throw new UsageError("--shape goes with --input fixture:SALT; a picture or file has its own");
  if (extname(input) !== ".safetensors") return undefined;
  const { tensors } = await readTensors(await readWeights(input));
  const image = tensors.get("image");
  if (image?.dtype === "float32" && image.shape.length === 4) return image;
  const found = image
    ? `image is ${image.dtype} [${image.shape.join(", ")}]`
    : `it holds ${listOf([...tensors.keys()])}`;
  throw new FormatError(
    `${input}: ${found}; expected a float32 tensor image [N, C, H, W], as residual preprocess writes it`,
  );
}

/** What follows `fixture:`. */
function saltOf(input: string): string {
  const salt = input.slice("fixture:".length);
  if (salt === "") throw new UsageError("--input fixture: lacks its salt; write fixture:v1 for the goldens' values");
  return salt;
}

/** Names, or as many as say what it is. */
function listOf(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.length} tensors, ${names.slice(0, 3).join(", ")} …`;
}

function shapeOf(model: string, text: string | undefined): readonly number[] {
  const { size = 224, inputChannels = 3 } = specNamed(model);
  const shape: Shape = text === undefined ? [1, inputChannels, size, size] : parseShape(text);
  const sizes = concrete(shape, 1);
  if (sizeOf(sizes) > LARGEST_INPUT)
    throw new UsageError(`--shape ${text} is ${sizeOf(sizes)} numbers, more than ${LARGEST_INPUT}`);
  return sizes;
}

/** 2 GiB of float32. */
const LARGEST_INPUT = 2 ** 29;

async function pictureOf(prepared: Prepared, input: string, options: DecodeOptions): Promise<Tensor<"float32">> {
  const preprocessing = knownPreprocessing(prepared);
  return preprocess(await decodeImage(input, { ...options, upright: preprocessing.upright }), preprocessing);
}
