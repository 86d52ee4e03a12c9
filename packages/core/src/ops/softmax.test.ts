import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { softmaxRow } from "./softmax.ts";

const finite = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });

describe("softmaxRow", () => {
  it("agrees with values worked out by hand", () => {
    expect([...softmaxRow([0, Math.log(3)])]).toEqual([expect.closeTo(0.25, 15), expect.closeTo(0.75, 15)]);
    expect([...softmaxRow([7, 7, 7, 7])]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it("sums to 1, keeps the order, and does not mind a shift", () => {
    fc.assert(
      fc.property(finite, (logits) => {
        const shares = softmaxRow(logits);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
        logits.forEach((a, i) => {
          logits.forEach((b, j) => {
            if (a > b) expect(shares[i]).toBeGreaterThanOrEqual(shares[j]!);
          });
        });
      }),
    );
    expect(softmaxRow([1000, 1001])).toEqual(softmaxRow([0, 1]));
  });

  it("takes float32 logits and answers in float64", () => {
    expect(softmaxRow(Float32Array.of(0.1, 0.2))).toEqual(softmaxRow([Math.fround(0.1), Math.fround(0.2)]));
  });

  it("minus infinity is a plain 0; what has no answer is NaN, as in PyTorch", () => {
    expect([...softmaxRow([-Infinity, 0])]).toEqual([0, 1]);
    expect([...softmaxRow([Number.NaN, 0])]).toEqual([Number.NaN, Number.NaN]);
    expect([...softmaxRow([Infinity, 0])].some(Number.isNaN)).toBe(true);
    expect([...softmaxRow([-Infinity, -Infinity])]).toEqual([Number.NaN, Number.NaN]);
    expect(softmaxRow([]).length).toBe(0);
  });
});
