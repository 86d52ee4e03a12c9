import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quantize } from "./quantize.ts";

const float16s = (numbers: readonly number[]) => {
  const { bytes } = quantize("w", Float32Array.from(numbers), "float16");
  return [...new Uint16Array(bytes.buffer)].map((half) => half.toString(16));
};

describe("float16", () => {
  it("stores the halves' bits", () => {
    expect(float16s([0, -0, 1, -2, 65504])).toEqual(["0", "8000", "3c00", "c000", "7bff"]);
  });

  it("refuses what it does not reach", () => {
    expect(() => float16s([65520])).toThrow("tfjs: w holds 65520, the largest float16 is 65504; export it in float32");
    expect(float16s([65519])).toEqual(["7bff"]);
  });

  it("states how far it moves a number: at most half a step", () => {
    fc.assert(
      fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), (value) => {
        const { error } = quantize("w", Float32Array.of(value), "float16");
        expect(error).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
      }),
    );
  });
});

describe("uint8", () => {
  it("has 256 steps from the least to the greatest, 0 exactly among them", () => {
    const numbers = Float32Array.of(-1, 0, 2, 0.5);
    const { bytes, quantization, error } = quantize("w", numbers, "uint8");
    const { scale, min } = quantization as { scale: number; min: number };
    expect(scale).toBe(3 / 255);
    expect(bytes[1]! * scale + min).toBe(0);
    expect([...bytes]).toEqual([0, 85, 255, 128]);
    expect(error).toBeCloseTo(Math.abs(43 * scale - 0.5), 6);
  });

  it("of zeros is zeros", () => {
    const { bytes, error } = quantize("w", new Float32Array(3), "uint8");
    expect([[...bytes], error]).toEqual([[0, 0, 0], 0]);
  });

  it("moves no number by more than half a step, or a whole one at an end that 0 moved", () => {
    const several = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(several, (values) => {
        const { quantization, error } = quantize("w", Float32Array.from(values), "uint8");
        const { scale } = quantization as { scale: number };
        expect(error).toBeLessThanOrEqual(1.01 * scale);
      }),
    );
  });
});
