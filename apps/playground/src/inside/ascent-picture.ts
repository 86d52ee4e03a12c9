import { fill, type Preprocessing, type Tensor, tensorOf } from "@residual/core";

/** A picture as the ascent changes it, [3, side, side]: red, green and blue from 0 to 1. */
export type Planes = Float32Array<ArrayBuffer>;

/** How a network reads a picture. */
type Reading = Pick<Preprocessing, "scale" | "mean" | "std" | "channels">;

/** Nearly grey. The noise tells places apart that would otherwise all have the same gradient. */
export function greyNoise(side: number, salt: string): Planes {
  return Float32Array.from(fill(salt, "ascent", [3, side, side], 0.45, 0.55).data);
}

/** The network's input for a picture, [1, 3, side, side]. */
export function inputOf(planes: Planes, side: number, reading: Reading): Tensor<"float32"> {
  const { scale, mean, std } = reading;
  const image = new Float32Array(planes.length);
  const size = side * side;
  for (const [colour, plane] of inputPlanes(reading).entries())
    for (let i = 0; i < size; i++)
      image[plane * size + i] = ((planes[colour * size + i]! * 255) / scale - mean[colour]!) / std[colour]!;
  return tensorOf("float32", [1, 3, side, side], image);
}

/** The planes of red, green and blue in the network's input. */
const inputPlanes = ({ channels }: Reading): readonly number[] => (channels === "bgr" ? [2, 1, 0] : [0, 1, 2]);

/** The gradient by a picture's colours, from that by the network's input, up to a positive factor. */
export function byColours(gradient: Planes, side: number, reading: Reading): Planes {
  const size = side * side;
  const found = new Float32Array(gradient.length);
  for (const [colour, plane] of inputPlanes(reading).entries())
    for (let i = 0; i < size; i++) found[colour * size + i] = gradient[plane * size + i]! / reading.std[colour]!;
  return found;
}

/** Red, green and blue as bytes, pixel by pixel. */
export function bytesOf(planes: Planes): Uint8Array {
  const size = planes.length / 3;
  const bytes = new Uint8Array(planes.length);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) bytes[3 * i + c] = Math.round(255 * planes[c * size + i]!);
  return bytes;
}

/** Moves a picture around its edges. */
export function rolled(planes: Planes, side: number, down: number, right: number): Planes {
  const within = (at: number) => ((at % side) + side) % side;
  const found = new Float32Array(planes.length);
  for (let row = 0, from = 0; row < 3 * side; row++) {
    const start = row - (row % side) + within((row % side) + down);
    for (let x = 0; x < side; x++) found[start * side + within(x + right)] = planes[from++]!;
  }
  return found;
}

/** A Gaussian blur of each plane, around its edges. */
export function blurred(planes: Planes, side: number, sigma: number): Planes {
  const reach = Math.ceil(2.5 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = weights.reduce((sum, each) => sum + each, 0);
  const mixed = weights.map((weight) => weight / total);
  return blurredRows(blurredRows(planes, side, mixed), side, mixed);
}

/** Blurs along the rows, and turns each plane over its diagonal: twice is both directions. */
function blurredRows(planes: Planes, side: number, weights: readonly number[]): Planes {
  const reach = (weights.length - 1) / 2;
  const found = new Float32Array(planes.length);
  for (let row = 0; row < 3 * side; row++) {
    const [plane, y] = [row - (row % side), row % side];
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (const [i, weight] of weights.entries())
        sum += weight * planes[row * side + ((x + i - reach + reach * side) % side)]!;
      found[(plane + x) * side + y] = sum;
    }
  }
  return found;
}

/** The root of the mean square. */
function strengthOf(numbers: Planes): number {
  let sum = 0;
  for (const each of numbers) sum += each * each;
  return Math.sqrt(sum / numbers.length);
}

/**
 * How the colours of photos vary together: brightness, blue against yellow, green against magenta, by which red, green
 * and blue are mixed. Source: Lucid (Olah, Mordvintsev, Schubert 2017), `color_correlation_svd_sqrt`, divided by the
 * largest norm of its columns.
 */
const photoColours = [
  [0.26, 0.09, 0.02],
  [0.27, 0.0, -0.05],
  [0.27, -0.09, 0.03],
].map((row) => row.map((each) => each / Math.hypot(0.26, 0.27, 0.27)));

/** The gradient with the colours of photos: C · Cᵀ times it, which points upward too. */
function inPhotoColours(gradient: Planes): Planes {
  const size = gradient.length / 3;
  const found = new Float32Array(gradient.length);
  for (let i = 0; i < size; i++)
    for (let k = 0; k < 3; k++) {
      const along = photoColours.reduce((sum, row, c) => sum + row[k]! * gradient[c * size + i]!, 0);
      for (const [c, row] of photoColours.entries()) found[c * size + i]! += row[k]! * along;
    }
  return found;
}

/** Widths of the blurs, as shares of the picture's side: from less than a pixel of a small picture on. */
const BLURS = [1 / 40, 1 / 20, 1 / 10];

/**
 * A gradient as the sum of itself at three sharpnesses, each of the same strength, so that fine noise, in which
 * gradients are strongest, does not drown the shapes.
 */
function atAllSizes(gradient: Planes, side: number): Planes {
  const found = new Float32Array(gradient.length);
  for (const share of BLURS) {
    const part = blurred(gradient, side, share * side);
    const strength = strengthOf(part);
    if (strength > 0) for (let i = 0; i < part.length; i++) found[i]! += part[i]! / strength;
  }
  return found;
}

interface StepSize {
  /** The root of the mean square of what is added. */
  readonly rate: number;
  /** Share of the way to grey. */
  readonly decay: number;
}

/** A picture after a step along a gradient; the same picture where the gradient is 0 everywhere. */
export function stepped(planes: Planes, gradient: Planes, side: number, { rate, decay }: StepSize): Planes {
  const smooth = atAllSizes(inPhotoColours(gradient), side);
  const strength = strengthOf(smooth);
  if (strength === 0) return planes;
  return planes.map((each, i) => {
    const faded = each + decay * (0.5 - each);
    return Math.min(Math.max(faded + (rate * smooth[i]!) / strength, 0), 1);
  });
}
