import { roundToFloat16, UnsupportedError, widenFloat16 } from "@residual/core";

/** The storage type of weights; they are float32 again after loading. */
export type QuantizationName = "uint8" | "float16";

/** Stored numbers, with the data that tfjs's loader needs to restore them. */
export interface Quantized {
  readonly bytes: Uint8Array;
  readonly quantization:
    | { readonly dtype: "uint8"; readonly scale: number; readonly min: number }
    | { readonly dtype: "float16"; readonly original_dtype: "float32" };
  /** The largest difference between loaded and given numbers. */
  readonly error: number;
  /** The sum of the squared differences. */
  readonly squares: number;
}

/** Throws UnsupportedError for numbers beyond float16. */
export function quantize(name: string, numbers: Float32Array, dtype: QuantizationName): Quantized {
  return dtype === "uint8" ? toUint8(numbers) : toFloat16(name, numbers);
}

/**
 * 256 steps from the minimum to the maximum of a tensor (0 included), shifted so that 0 is a step and stays exact.
 * Loaded as stored · scale + min. Source: tensorflowjs's quantization.py, Jacob et al. 2018, equation 1.
 */
function toUint8(numbers: Float32Array): Quantized {
  let [least, greatest] = [0, 0];
  for (const value of numbers) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  const scale = (greatest - least) / 255 || 1; // if all are 0
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
        `tfjs: ${name} holds ${value}, the largest float16 is ${LARGEST_FLOAT16}; export it in float32, or in uint8`,
      );
    }
    const moved = Math.abs(loaded - value);
    error = Math.max(error, moved);
    squares += moved * moved;
  }
  const bytes = new Uint8Array(halves.buffer); // little-endian, as on every supported machine
  return { bytes, quantization: { dtype: "float16", original_dtype: "float32" }, error, squares };
}
