import { roundToFloat16, UnsupportedError, widenFloat16 } from "@residual/core";

/** What weights are stored in; they are float32 again once they are loaded. */
export type QuantizationName = "uint8" | "float16";

/** Stored numbers, and what tfjs's loader needs to know to have them back. */
export interface Quantized {
  readonly bytes: Uint8Array;
  readonly quantization:
    | { readonly dtype: "uint8"; readonly scale: number; readonly min: number }
    | { readonly dtype: "float16"; readonly original_dtype: "float32" };
  /** Of the numbers as they are loaded, the largest difference from those that were given. */
  readonly error: number;
  /** The sum of the squares of these differences. */
  readonly squares: number;
}

/** Throws UnsupportedError for numbers that float16 does not reach. */
export function quantize(name: string, numbers: Float32Array, dtype: QuantizationName): Quantized {
  return dtype === "uint8" ? toUint8(numbers) : toFloat16(name, numbers);
}

/**
 * 256 steps from the least to the greatest of a tensor, 0 among them, moved so that 0 is one of them and stays exact.
 * Loaded as stored · scale + min. Source: tensorflowjs's quantization.py, Jacob et al. 2018, equation 1.
 */
function toUint8(numbers: Float32Array): Quantized {
  let [least, greatest] = [0, 0];
  for (const value of numbers) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  const scale = (greatest - least) / 255 || 1; // where all are 0
  const min = Math.round(least / scale) * scale;
  const bytes = new Uint8Array(numbers.length);
  let [error, squares] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const stored = Math.min(Math.max(Math.round((numbers[i]! - min) / scale), 0), 255);
    bytes[i] = stored;
    const moved = Math.abs(Math.fround(stored * scale + min) - numbers[i]!);
    error = Math.max(error, moved);
    squares += moved * moved;
  }
  return { bytes, quantization: { dtype: "uint8", scale, min }, error, squares };
}

const LARGEST_FLOAT16 = 65_504;

function toFloat16(name: string, numbers: Float32Array): Quantized {
  const halves = new Uint16Array(numbers.length);
  roundToFloat16(numbers, halves);
  const wide = widenFloat16(halves);
  let [error, squares] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const [value, loaded] = [numbers[i]!, wide[i]!];
    if (!Number.isFinite(loaded)) {
      throw new UnsupportedError(
        `tfjs: ${name} holds ${value}, float16 reaches to ${LARGEST_FLOAT16}; export it in float32, or in uint8`,
      );
    }
    const moved = Math.abs(loaded - value);
    error = Math.max(error, moved);
    squares += moved * moved;
  }
  const bytes = new Uint8Array(halves.buffer); // little-endian, as every machine that runs this
  return { bytes, quantization: { dtype: "float16", original_dtype: "float32" }, error, squares };
}
