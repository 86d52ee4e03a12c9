import { check, checkPreprocessing, type Preprocessing, sizeOf, type Tensor, tensorOf } from "@residual/core";
import { checkPixels, type Pixels } from "./pixels.ts";
import { type Resize, resample, resampleNormalized, type Size } from "./resample.ts";
import { type Normalization, normalizeBySimd } from "./simd/resample.ts";

/**
 * Image -> `[1, 3, crop, crop]`: `crop`, then `normalize`. Throws FormatError that names the field of `preprocessing`
 * that is missing or wrong, as those two do.
 */
export function preprocess(pixels: Pixels, preprocessing: Preprocessing): Tensor<"float32"> {
  checkPreprocessing(preprocessing);
  const side = preprocessing.crop;
  const image = new Float32Array(3 * side * side);
  preprocessInto(pixels, preprocessing, image);
  return tensorOf("float32", [1, 3, side, side], image);
}

/**
 * What `preprocess` gives, written to `image`, `[3, crop, crop]`, which may be a part of a batch. Throws FormatError as
 * `preprocess` does, and ShapeError:
 *
 * I1  `image` has 3 · crop² numbers.
 */
export function preprocessInto(pixels: Pixels, preprocessing: Preprocessing, image: Float32Array): void {
  checkPreprocessing(preprocessing);
  checkPixels(pixels);
  const side = preprocessing.crop;
  const size = 3 * side * side;
  check(image.length === size, "preprocessInto.I1", `image of ${image.length} numbers, expected ${size}`);
  const { resize } = centerCrop(pixels, preprocessing);
  const isPadded = resize.window.width < side || resize.window.height < side;
  if (isPadded || !resampleNormalized(pixels, resize, preprocessing, image))
    normalizeInto(crop(pixels, preprocessing).data, preprocessing, image);
}

/**
 * The square that a model sees, still uint8: `[crop, crop, 3]`. Only the part of the resized image that the square
 * shows is ever computed, so that a strip of 1 x 100,000 costs no more than a photo. What lies outside the image is
 * black.
 */
export function crop(pixels: Pixels, preprocessing: Pick<Preprocessing, "resize" | "crop" | "interpolation">): Pixels {
  checkPixels(pixels);
  checkPreprocessing({ ...preprocessing, ...anyScale });
  const { resize, left, top } = centerCrop(pixels, preprocessing);
  const shown = resample(pixels, resize.size, resize.interpolation, resize.window);
  return padded(shown, preprocessing.crop, Math.max(-left, 0), Math.max(-top, 0));
}

/** The part of the resized image that the square shows. `left` and `top` are where the square starts in the image. */
function centerCrop(
  pixels: Pixels,
  { resize, crop: side, interpolation }: Pick<Preprocessing, "resize" | "crop" | "interpolation">,
): { readonly resize: Resize; readonly left: number; readonly top: number } {
  const size = resizedSize(pixels, resize);
  const [left, top] = [cropOffset(size.width, side), cropOffset(size.height, side)];
  const window = {
    left: Math.max(left, 0),
    top: Math.max(top, 0),
    width: Math.min(size.width, side),
    height: Math.min(size.height, side),
  };
  return { resize: { size, interpolation, window }, left, top };
}

/** For the checks of the other fields: `crop` needs no scale, `normalize` no size. */
const anyScale: Pick<Preprocessing, "scale" | "mean" | "std"> = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };
const anySize: Pick<Preprocessing, "resize" | "crop" | "interpolation"> = {
  resize: 1,
  crop: 1,
  interpolation: "bilinear",
};

/** The size after torchvision's `Resize(resize)`: the long side is truncated, not rounded. */
export function resizedSize({ width, height }: Size, resize: number): Size {
  const long = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: resize, height: long } : { width: long, height: resize };
}

/**
 * Where torchvision's `CenterCrop(crop)` starts, in pixels of a side of `size`. Negative where the side is too short:
 * so many zeros come first, and where the padding is odd, one more comes after.
 */
export function cropOffset(size: number, crop: number): number {
  return size >= crop ? roundHalfEven((size - crop) / 2) : 0 - Math.trunc((crop - size) / 2); // −Math.trunc may be −0
}

/** Python's `round`. `value` is a whole number of halves, from 0. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** `pixels` on a black square of `side`, `left` and `top` pixels in. */
function padded(pixels: Pixels, side: number, left: number, top: number): Pixels {
  if (pixels.width === side && pixels.height === side) return pixels;
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < pixels.height; y++) {
    const row = pixels.data.subarray(y * pixels.width * 3, (y + 1) * pixels.width * 3);
    data.set(row, ((y + top) * side + left) * 3);
  }
  return { width: side, height: side, data };
}

/**
 * `[H, W, 3]` bytes -> `[1, 3, H, W]`: `(v / scale − mean) / std`, every operation and every constant rounded to
 * float32, as torchvision's ToTensor and Normalize do, so that the numbers are theirs bit for bit.
 *
 * N1  mean and std have a number per channel: 3.
 */
export function normalize(pixels: Pixels, preprocessing: Normalization): Tensor<"float32"> {
  checkPixels(pixels);
  checkNormalization(preprocessing);
  const { width, height, data } = pixels;
  const image = new Float32Array(data.length);
  normalizeInto(data, preprocessing, image);
  return tensorOf("float32", [1, 3, height, width], image);
}

function checkNormalization(preprocessing: Normalization): void {
  const { mean, std } = preprocessing;
  const areLists = Array.isArray(mean) && Array.isArray(std);
  const lengths = areLists ? [mean.length, std.length] : [3, 3];
  check(lengths.join() === "3,3", "normalize.N1", `mean and std of ${lengths.join(" and ")} numbers, expected 3 each`);
  checkPreprocessing({ ...preprocessing, ...anySize });
}

function normalizeInto(data: Uint8Array, normalization: Normalization, image: Float32Array): void {
  if (!normalizeBySimd(data, normalization, image)) normalizePlainly(data, normalization, image);
}

/** `[n, 3]` bytes normalized to `image`, `[3, n]`: the arithmetic that simd/kernels.wat has to equal. */
export function normalizePlainly(data: Uint8Array, normalization: Normalization, image: Float32Array): void {
  const plane = data.length / 3;
  for (const [at, { channel, values }] of tablesOf(normalization).entries())
    fillPlane(image.subarray(at * plane, (at + 1) * plane), data, channel, values);
}

function fillPlane(plane: Float32Array, data: Uint8Array, channel: number, values: Float32Array): void {
  for (let i = 0, at = channel; i < plane.length; i++, at += 3) plane[i] = values[data[at]!]!;
}

/** How a plane of `normalize` is made: the byte of this channel, as its value in a table. */
export interface PlaneTable {
  readonly channel: number;
  /** For each of the 256 bytes. */
  readonly values: Float32Array;
}

/** `normalize` for callers that read pixels in another order. Throws as `normalize` does. */
export function planeTables(preprocessing: Normalization): readonly PlaneTable[] {
  checkNormalization(preprocessing);
  return tablesOf(preprocessing);
}

/** Channel `c` of the picture becomes plane `order[c]`, and mean and std are the channel's. */
function tablesOf(normalization: Normalization): readonly PlaneTable[] {
  const order = normalization.channels === "bgr" ? [2, 1, 0] : [0, 1, 2];
  return [0, 1, 2].map((plane) => {
    const channel = order.indexOf(plane);
    return { channel, values: valuesOfBytes(normalization, channel) };
  });
}

/** The value of each of the 256 bytes in one channel. */
function valuesOfBytes(
  { scale, mean, std }: Pick<Preprocessing, "scale" | "mean" | "std">,
  channel: number,
): Float32Array {
  // + − × ÷ of two float32s in float64, rounded once more, is the float32 answer (Figueroa 1995)
  const round = Math.fround;
  const [divisor, middle, spread] = [round(scale), round(mean[channel]!), round(std[channel]!)];
  const values = new Float32Array(256);
  for (let byte = 0; byte < 256; byte++) values[byte] = round(round(byte / divisor) - middle) / spread;
  return values;
}

/**
 * Tensors of `[1, 3, H, W]` as one batch `[N, 3, H, W]`; batches are joined too. A single tensor is given back as it
 * is. Throws ShapeError:
 * S1  there is at least one tensor;
 * S2  all shapes are alike, save the batch.
 */
export function stack(tensors: readonly Tensor<"float32">[]): Tensor<"float32"> {
  check(tensors.length > 0, "stack.S1", "no tensor given, expected one or more");
  if (tensors.length === 1) return tensors[0]!;
  const image = tensors[0]!.shape.slice(1);
  for (const { shape } of tensors) {
    const alike = shape.slice(1).join() === image.join();
    check(alike, "stack.S2", `[${shape.join(", ")}] beside [${tensors[0]!.shape.join(", ")}]; give all one crop`);
  }
  const batch = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return tensorOf("float32", [batch, ...image], joined(tensors, batch * sizeOf(image)));
}

function joined(tensors: readonly Tensor<"float32">[], size: number): Float32Array {
  const data = new Float32Array(size);
  let offset = 0;
  for (const tensor of tensors) {
    data.set(tensor.data, offset);
    offset += tensor.data.length;
  }
  return data;
}
