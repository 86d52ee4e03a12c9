import { FormatError, isFiniteInFloat32, type Signal, type Tensor, tensorOf, throwIfAborted } from "@residual/core";
import { type ByteSource, nameOf, pathOf, readBytes } from "@residual/kit/bytes";
import { decodeImage, type Picture } from "@residual/vision";
import { toSharedBytes } from "../shared-bytes.ts";
import type { Dataset, Example, StoredPicture } from "./dataset.ts";

/** A picture with its class, as a program has it. */
export interface GivenExample {
  /** Anything that `decodeImage` takes, or numbers [C, H, W] that are a model's input already. */
  readonly image: Picture | Tensor<"float32">;
  /** The name of its class, or with `labels` also its index. */
  readonly label: string | number;
  readonly name?: string | undefined;
}

export interface GivenOptions {
  /** The names of the classes, in order. Default: the labels that occur, sorted. */
  readonly labels?: readonly string[] | undefined;
  readonly signal?: Signal | undefined;
}

/**
 * Labelled pictures from any iterable, synchronous or not. Files given by their path are read when batches are made of
 * them; all others are copied and held in memory, so that any epoch can begin anywhere.
 *
 * Throws FormatError, which names the example, for a class that is not among the labels, and for a NaN or an infinity.
 */
export async function dataset(
  examples: AsyncIterable<GivenExample> | Iterable<GivenExample>,
  options: GivenOptions = {},
): Promise<Dataset> {
  const given: { readonly name: string; readonly label: string | number; readonly picture: StoredPicture }[] = [];
  for await (const { image, label, name = `example ${given.length}` } of examples) {
    throwIfAborted(options.signal);
    given.push({ name, label, picture: await stored(image, name) });
  }
  const labels = options.labels ?? [...new Set(given.map(({ label }) => String(label)))].sort();
  if (labels.length < 2) throw new FormatError(`found ${labels.length} classes, expected two or more`);
  const known = new Map(labels.map((name, index) => [name, index]));
  const numbered = given.map(({ label, ...rest }): Example => {
    const isIndex = typeof label === "number" && options.labels !== undefined;
    const index = isIndex ? label : known.get(String(label));
    if (index !== undefined && index in labels) return { ...rest, label: index };
    throw new FormatError(`${rest.name}: found the class ${label}, expected one of ${labels.join(", ")}`);
  });
  return { labels, examples: numbered, notes: [] };
}

async function stored(image: GivenExample["image"], name: string): Promise<StoredPicture> {
  if (isNumbers(image)) return { tensor: checked(image, name) };
  const path = await pathOf(image);
  if (path !== undefined) return { path };
  const isDrawn =
    typeof image === "object" &&
    !(image instanceof Blob) &&
    image !== null &&
    ("width" in image || "videoWidth" in image);
  if (!isDrawn) return { file: toSharedBytes(await readBytes(image as ByteSource, { name: nameOf(image, name) })) };
  const pixels = await decodeImage(image);
  return { pixels: { ...pixels, data: toSharedBytes(pixels.data) } };
}

function isNumbers(image: GivenExample["image"]): image is Tensor<"float32"> {
  return typeof image === "object" && "dtype" in image && "shape" in image;
}

function checked({ shape, data }: Tensor<"float32">, name: string): Tensor<"float32"> {
  if (shape.length !== 3) throw new FormatError(`${name}: found the shape [${shape.join(", ")}], expected [C, H, W]`);
  const at = data.findIndex((value) => !isFiniteInFloat32(value));
  if (at >= 0) throw new FormatError(`${name}: found ${data[at]} at index ${at}, expected finite numbers`);
  return tensorOf("float32", shape, data.slice());
}
