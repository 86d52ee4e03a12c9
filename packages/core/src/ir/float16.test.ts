import fc from "fast-check";
import { expect, it } from "vitest";
import { roundToFloat16, widenFloat16 } from "./float16.ts";

const everyHalf = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

/** IEEE 754-2008, 3.4: (−1)^sign · 2^(e − 15) · 1.fraction; subnormals 2^−14 · 0.fraction. */
function numberOf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
}

const rounded = (...values: readonly number[]): readonly number[] => {
  const to = new Uint16Array(values.length);
  roundToFloat16(Float32Array.from(values), to);
  return [...to];
};

it("widens each of the 65,536 halves to its value", () => {
  expect([...widenFloat16(everyHalf)]).toEqual([...everyHalf].map(numberOf));
});

it("keeps the sign and the payload of NaN when it widens", () => {
  const wide = widenFloat16(Uint16Array.of(0xfe01, 0x7c01));
  expect([...new Uint32Array(wide.buffer)]).toEqual([0xffc02000, 0x7f802000]);
});

it("rounds each half that is a number to itself, and NaN to a NaN of its sign", () => {
  const back = new Uint16Array(everyHalf.length);
  roundToFloat16(widenFloat16(everyHalf), back);
  const expected = everyHalf.map((bits) => (Number.isNaN(numberOf(bits)) ? (bits & 0x8000) | 0x7e00 : bits));
  expect(back).toEqual(expected);
});

// By hand: sign, 5 bits of exponent, 10 of fraction.
it.each([
  ["zeros, small whole numbers and the largest", [0, -0, 1, -2, 65504], [0, 0x8000, 0x3c00, 0xc000, 0x7bff]],
  ["the smallest normal and subnormal ones", [2 ** -14, 2 ** -24, -(2 ** -24), 2 ** -26], [0x400, 1, 0x8001, 0]],
  ["ties, to the even one", [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 3 * 2 ** -25], [0x3c00, 0x3c02, 0, 2]],
  ["just above a tie", [1.0000001 * 2 ** -25, 1 + 2 ** -11 + 2 ** -23], [1, 0x3c01]],
  ["below and at half a step beyond the largest", [65519.996, 65520, -65520, 1e38], [0x7bff, 0x7c00, 0xfc00, 0x7c00]],
  ["from the subnormal into the normal ones", [2 ** -14 - 2 ** -26], [0x400]],
])("rounds %s", (_, values, expected) => {
  expect(rounded(...values)).toEqual(expected);
});

it("no other half is nearer, and a tie goes to the even one", () => {
  const numbers = fc.float({ noNaN: true, min: -65504, max: 65504 });
  fc.assert(
    fc.property(numbers, (value) => {
      const [bits] = rounded(value) as [number];
      const [sign, size] = [bits & 0x8000, bits & 0x7fff];
      const off = Math.abs(numberOf(bits) - value);
      for (const other of [size - 1, size + 1].filter((each) => each >= 0 && each < 0x7c00)) {
        const otherOff = Math.abs(numberOf(sign | other) - value);
        expect(off).toBeLessThanOrEqual(otherOff);
        if (off === otherOff) expect(size % 2).toBe(0);
      }
    }),
  );
});
