const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** Each number of float32 as float16's bits: to the nearest, ties to even; from 65,520 on infinite. */
export function roundToFloat16(from: Float32Array, to: Uint16Array): void {
  for (let i = 0; i < from.length; i++) {
    number[0] = from[i]!;
    to[i] = halfOf(bits[0]!);
  }
}

/** Of float32's bits: 1 sign, 8 exponent (bias 127), 23 fraction, to 1, 5 (bias 15), 10. IEEE 754-2008, 3.4 and 4.3.1. */
function halfOf(wide: number): number {
  const sign = (wide >>> 16) & 0x8000;
  const size = wide & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00; // not a number
  if (size >= 0x477ff000) return sign | 0x7c00; // 65,520: half a step beyond the largest
  if (size >= 0x38800000) return sign | rounded(size - 0x38000000, 13); // 2⁻¹⁴, the smallest normal one: the exponent's bias changes by 112
  const exponent = size >>> 23;
  const shift = 126 - exponent; // so that the last bit kept is 2⁻²⁴
  return shift > 24 ? sign : sign | rounded((size & 0x7fffff) | 0x800000, shift);
}

/** Without its last bits; a carry goes on into the exponent, as it should. */
function rounded(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
