import fc from "fast-check";
import { expect, it } from "vitest";
import { roundToFloat16 } from "./float16.ts";

const halfOf = (value: number): number => {
  const to = new Uint16Array(1);
  roundToFloat16(Float32Array.of(value), to);
  return to[0]!;
};

/** What a float16's bits stand for (IEEE 754-2008, 3.4). */
function numberOf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

it("every float16 is itself", () => {
  for (let bits = 0; bits < 65536; bits++) {
    if (Number.isNaN(numberOf(bits))) expect(numberOf(halfOf(Number.NaN))).toBeNaN();
    else expect(halfOf(numberOf(bits))).toBe(bits);
  }
});

it.each([
  [1 + 2 ** -11, 1], // a tie goes to the even one
  [1 + 3 * 2 ** -11, 1 + 2 ** -9],
  [65519.996, 65504],
  [65520, Infinity],
  [-65520, -Infinity],
  [2 ** -25, 0],
  [1.0000001 * 2 ** -25, 2 ** -24],
  [2 ** -14 - 2 ** -26, 2 ** -14], // up into the normal ones
])("%d is %d", (value, expected) => {
  expect(numberOf(halfOf(value))).toBe(expected);
});

it("nothing is nearer", () => {
  const numbers = fc.float({ noNaN: true, noDefaultInfinity: true, min: -65504, max: 65504 });
  fc.assert(
    fc.property(numbers, (value) => {
      const bits = halfOf(value);
      const size = bits & 0x7fff;
      const off = Math.abs(numberOf(bits) - value);
      for (const other of [size - 1, size + 1].filter((each) => each >= 0 && each < 0x7c00)) {
        expect(off).toBeLessThanOrEqual(Math.abs(numberOf(other | (bits & 0x8000)) - value));
      }
    }),
  );
});
