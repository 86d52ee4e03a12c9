/*
 * IEEE 754-2008 binary16 (1 sign bit, 5 of exponent with bias 15, 10 of fraction) against binary32 (1, 8 with bias 127,
 * 23). Halves are held as their bits, since Float16Array is younger than the platforms supported.
 */

/**
 * Rounds each float32 to the bits of the nearest float16, ties to even; 65,520 and above become infinite. `to` has the
 * length of `from`.
 */
export function roundToFloat16(from: Float32Array, to: Uint16Array): void {
  for (let i = 0; i < from.length; i++) {
    number[0] = from[i]!;
    to[i] = halfBits(bits[0]!);
  }
}

/** The float32 of each float16. Exact: each float16 is a float32, with the same sign and NaN payload. */
export function widenFloat16(halves: Uint16Array): Float32Array {
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = float32Bits(halves[i]!);
  return new Float32Array(wide.buffer);
}

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** IEEE 754-2008, 4.3.1. */
function halfBits(wide: number): number {
  const sign = (wide >>> 16) & 0x8000;
  const size = wide & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00; // NaN
  if (size >= 0x477ff000) return sign | 0x7c00; // 65,520: half a step beyond the largest
  // 2⁻¹⁴, the smallest normal half; the biases differ by 112
  if (size >= 0x38800000) return sign | rounded(size - 0x38000000, 13);
  const shift = 126 - (size >>> 23); // subnormal: the last bit kept is 2⁻²⁴
  return shift > 24 ? sign : sign | rounded((size & 0x7fffff) | 0x800000, shift);
}

/** `value` without its last `shift` bits, rounded to nearest, ties to even. A carry into the exponent is intended. */
function rounded(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

function float32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinity and NaN
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // subnormal: float32 writes it normalized, its leading 1 moved to bit 10
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
