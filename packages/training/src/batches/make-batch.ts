import {
  FormatError,
  type Preprocessing,
  ResidualError,
  ShapeError,
  type Tensor,
  tensorOf,
  UnsupportedError,
} from "@residual/core";
import { decodeImage, planeTables } from "@residual/vision";
import { type Augmentation, fitted } from "../augment/augmentation.ts";
import { mixed } from "../augment/mixing.ts";
import { eraseRandomly } from "../augment/random-erasing.ts";
import { channelsOf, type Raster } from "../augment/raster.ts";
import { rasterOf, writeView } from "../augment/view.ts";
import type { Example, StoredPicture } from "../data/dataset.ts";
import { type Random, randomOf } from "../random.ts";

/** How pictures become inputs and labels become targets: plain data, the same for every batch of a run. */
export interface BatchRecipe {
  /** [C, H, W] of the model's input. */
  readonly input: readonly [number, number, number];
  /** Undefined for examples that are numbers already. */
  readonly preprocessing: Preprocessing | undefined;
  readonly classes: number;
  readonly maxPixels?: number | undefined;
  readonly augmentation: Augmentation;
  /** Share of each target that is spread over all classes. Source: PyTorch, CrossEntropyLoss. */
  readonly labelSmoothing: number;
  /** Factors of the columns of the targets. */
  readonly classWeights?: readonly number[] | undefined;
  /**
   * What becomes of a picture that cannot be read. "replace": another picture of the batch takes its place, so that the
   * batch keeps its size. "leave out": the batch gets smaller, and may have no picture at all.
   */
  readonly unreadable: "replace" | "leave out";
}

/** The random numbers of a batch: without them nothing is random. */
export interface BatchDraw {
  readonly seed: number;
  readonly epoch: number;
  /** The place of the batch's first picture in the epoch. */
  readonly first: number;
}

export interface BatchRequest {
  readonly examples: readonly Example[];
  readonly recipe: BatchRecipe;
  readonly draw: BatchDraw | undefined;
}

export interface UnreadablePicture {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

export interface Batch {
  /** [N, C, H, W] */
  readonly image: Tensor<"float32">;
  /** [N, classes], what the loss compares with. */
  readonly target: Tensor<"float32">;
  /** The class of each image; of a mixed one the class of the larger share. */
  readonly labels: Int32Array;
  /** The place of each image in the request. */
  readonly places: Int32Array;
  readonly unreadable: readonly UnreadablePicture[];
}

/**
 * Decodes and augments the pictures of a batch. The result depends only on the request, not on who makes it or when.
 *
 * Throws FormatError if no picture of a batch of a fixed size can be read, ShapeError for numbers of another shape than
 * the model's input, and as `decodeImage` if no picture of the kind can be decoded here.
 */
export async function makeBatch({ examples, recipe, draw }: BatchRequest): Promise<Batch> {
  const size = recipe.input.reduce((product, side) => product * side);
  const image = new Float32Array(examples.length * size);
  const write = inputWriter(recipe);
  const unreadable = new Map<number, UnreadablePicture>();
  for (const [place, { picture, name }] of examples.entries()) {
    const random = draw && randomOf(draw.seed, "picture", draw.epoch, draw.first + place);
    const raster = heldRaster(picture) ?? (await decoded(picture, recipe));
    if (raster instanceof ResidualError) unreadable.set(place, { name, code: raster.code, message: raster.message });
    else write(raster, name, random, image.subarray(place * size, (place + 1) * size));
  }
  const places = placesOf(examples.length, unreadable, recipe);
  const rows = unreadable.size === 0 ? image : rowsOf(image, size, places);
  const labels = places.map((place) => examples[place]!.label);
  return {
    ...mixedBatch(tensorOf("float32", [places.length, ...recipe.input], rows), labels, recipe, draw),
    places,
    unreadable: [...unreadable.values()],
  };
}

function heldRaster(picture: StoredPicture): Raster | undefined {
  if ("pixels" in picture) return picture.pixels;
  return "tensor" in picture ? interleaved(picture.tensor) : undefined;
}

/** Errors of this picture alone are returned. */
async function decoded(picture: StoredPicture, recipe: BatchRecipe): Promise<Raster | ResidualError> {
  const { maxPixels, preprocessing } = recipe;
  const source = "path" in picture ? picture.path : (picture as { readonly file: Uint8Array }).file;
  try {
    return await decodeImage(source, { maxPixels, upright: preprocessing?.upright });
  } catch (error) {
    if (error instanceof ResidualError && error.code !== "BackendUnavailableError") return error;
    throw error;
  }
}

/** Writes the numbers of an image, [C, H, W]. */
function inputWriter({ augmentation, preprocessing, input }: BatchRecipe) {
  const [channels, height, width] = input;
  const tables = preprocessing && planeTables(preprocessing);
  const size = preprocessing ?? { resize: width, crop: width, interpolation: "bilinear" };
  return (raster: Raster, name: string, random: Random | undefined, planes: Float32Array): void => {
    const view = fitted(raster, size, augmentation, random);
    const { box } = view;
    const found = [channelsOf(view.raster), box.height, box.width];
    if (found.join() !== input.join())
      throw new ShapeError(
        "batch.B1",
        `${name} is [${found.join(", ")}], expected [${input.join(", ")}], the model's input`,
      );
    if (view.raster.data instanceof Float32Array) writePlanes(rasterOf(view).data, channels, planes);
    else if (tables) writeView(view, tables, planes);
    else throw new UnsupportedError("pictures need a `preprocessing`, which says how they become the model's input");
    if (random && augmentation.erasing) eraseRandomly(planes, { width, height }, random, augmentation.erasing);
  };
}

function writePlanes(data: Raster["data"], channels: number, planes: Float32Array): void {
  const plane = data.length / channels;
  for (let i = 0, from = 0; i < plane; i++) for (let c = 0; c < channels; c++) planes[c * plane + i] = data[from++]!;
}

function interleaved({ shape, data }: Tensor<"float32">): Raster {
  const [channels, height, width] = shape as [number, number, number];
  const pixels = new Float32Array(data.length);
  const plane = height * width;
  for (let c = 0, from = 0; c < channels; c++) for (let i = 0; i < plane; i++) pixels[i * channels + c] = data[from++]!;
  return { width, height, data: pixels };
}

/** The places of the pictures that fill the batch. */
function placesOf(count: number, unreadable: ReadonlyMap<number, UnreadablePicture>, recipe: BatchRecipe): Int32Array {
  const all = Int32Array.from({ length: count }, (_, place) => place);
  const readable = all.filter((place) => !unreadable.has(place));
  if (recipe.unreadable === "leave out" || unreadable.size === 0) return readable;
  if (readable.length > 0)
    return all.map((place) =>
      unreadable.has(place) ? (readable.find((each) => each > place) ?? readable[0]!) : place,
    );
  const [first] = unreadable.values();
  throw new FormatError(
    `none of a batch's ${count} pictures can be read; the first is ${first?.name}: ${first?.message}`,
  );
}

function rowsOf(image: Float32Array, size: number, places: Int32Array): Float32Array {
  const rows = new Float32Array(places.length * size);
  for (const [row, place] of places.entries()) rows.set(image.subarray(place * size, (place + 1) * size), row * size);
  return rows;
}

function mixedBatch(
  image: Tensor<"float32">,
  labels: Int32Array,
  { classes, augmentation, labelSmoothing, classWeights }: BatchRecipe,
  draw: BatchDraw | undefined,
): Pick<Batch, "image" | "target" | "labels"> {
  const shares = new Float32Array(labels.length * classes);
  for (const [row, label] of labels.entries()) shares[row * classes + label] = 1;
  const batch = { image, target: tensorOf("float32", [labels.length, classes], shares) };
  const whole = draw ? mixed(batch, randomOf(draw.seed, "mix", draw.epoch, draw.first), augmentation) : batch;
  const target = whole.target.data.map(
    (share, i) => ((1 - labelSmoothing) * share + labelSmoothing / classes) * (classWeights?.[i % classes] ?? 1),
  );
  return {
    image: whole.image,
    target: tensorOf("float32", whole.target.shape, target),
    labels: whole === batch ? labels : largestOf(whole.target.data, classes),
  };
}

function largestOf(shares: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: shares.length / classes }, (_, row) => {
    const own = shares.subarray(row * classes, (row + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
}
