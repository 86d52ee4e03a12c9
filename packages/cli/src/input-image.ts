import { extname } from "node:path";
import {
  FormatError,
  fixtureInput,
  formatShape,
  type ResNetSpec,
  type Shape,
  sizeOf,
  type Tensor,
} from "@residual/core";
import { readTensors, readWeights } from "@residual/weights";
import { UsageError } from "./errors.ts";
import { checkMemory } from "./memory.ts";
import { modelNamed, specNamed } from "./names.ts";
import { hasChannelsLast, parseInputShape } from "./shape.ts";

/** An image whose shape is known before its model is built. */
export interface GivenImage {
  readonly shape: readonly number[];
  /** The image, created only once its shape is known to fit. */
  tensor(): Tensor<"float32">;
}

/**
 * The image of `--input`: fixture:SALT with `--shape`, the tensor `image` of a safetensors file, or the array of a .npy
 * file. Undefined for a picture, which needs the weights' preprocessing first.
 */
export async function givenImage(
  input: string,
  shape: string | undefined,
  model: string,
): Promise<GivenImage | undefined> {
  if (input.startsWith("fixture:")) return fixture(saltOf(input), shape, model);
  if (shape !== undefined)
    throw new UsageError("--shape goes with --input fixture:SALT; a picture or file has its own");
  const name = tensorNames[extname(input)];
  return name === undefined ? undefined : imageIn(input, name);
}

/** The tensor with the image, by the file's extension. */
const tensorNames: { readonly [ending: string]: string } = { ".safetensors": "image", ".npy": "array" };

function fixture(salt: string, text: string | undefined, model: string): GivenImage {
  const spec = specNamed(model);
  const { size = 224, inputChannels = 3 } = spec;
  const given: Shape = text === undefined ? [1, inputChannels, size, size] : parseInputShape(text, spec);
  const shape = given.map((each) => (each === "N" ? 1 : each));
  if (sizeOf(shape) > LARGEST_INPUT)
    throw new UsageError(`--shape ${text} is ${sizeOf(shape)} numbers, more than ${LARGEST_INPUT}`);
  checkMemory(modelNamed(model, shape), "give a smaller --shape");
  return { shape, tensor: () => fixtureInput(salt, shape) };
}

/** 2 GiB of float32. */
const LARGEST_INPUT = 2 ** 29;

/** The text after `fixture:`. */
function saltOf(input: string): string {
  const salt = input.slice("fixture:".length);
  if (salt === "") throw new UsageError("--input fixture: lacks its salt; write fixture:v1 for the goldens' values");
  return salt;
}

async function imageIn(file: string, name: string): Promise<GivenImage> {
  const { tensors } = await readTensors(await readWeights(file));
  const image = tensors.get(name);
  if (image?.dtype === "float32" && image.shape.length === 4) return { shape: image.shape, tensor: () => image };
  const found = image
    ? `${name} is ${image.dtype} [${image.shape.join(", ")}]`
    : `it holds ${listOf([...tensors.keys()])}`;
  throw new FormatError(
    `${file}: ${found}; expected a float32 tensor ${name} [N, C, H, W], as residual preprocess writes it`,
  );
}

/** Names, shortened to the first few. */
function listOf(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.length} tensors, ${names.slice(0, 3).join(", ")} …`;
}

/** Throws FormatError for an image with another number of channels than the model's. */
export function checkChannels(input: string, { shape }: GivenImage, model: string, spec: ResNetSpec): void {
  const { inputChannels = 3 } = spec;
  const channels = shape[1]!;
  if (channels === inputChannels) return;
  const found = `${input}: the image is ${formatShape(shape)}, and ${model} takes N×${inputChannels}×H×W`;
  throw new FormatError(`${found}; ${wayOut(channels, shape, spec)}`);
}

function wayOut(channels: number, shape: Shape, spec: ResNetSpec): string {
  if (hasChannelsLast(shape, spec)) return "its channels come last (NHWC): transpose it to NCHW";
  if (spec.inputChannels === undefined || spec.inputChannels === 3) {
    if (channels === 1) return "repeat its grey channel three times";
    if (channels === 4) return "leave out its fourth channel, alpha";
  }
  return "give an image of the model's channels";
}
