import { ShapeError, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cifar10Labels } from "./labels.ts";
import { topK } from "./top-k.ts";

/** Typed as unknown, since vitest has its matchers as any. */
const near = (value: number): unknown => expect.closeTo(value, 7);

describe("topK", () => {
  it("names the likeliest classes of each image, likeliest first", () => {
    const logits = tensor([2, 3], [0, Math.log(2), 0, 9, 1, 5]);
    const [first, second] = topK(logits, 2, ["a", "b", "c"]);
    expect(first).toEqual([
      { label: "b", index: 1, probability: near(0.5) },
      { label: "a", index: 0, probability: near(0.25) },
    ]);
    expect(second?.map(({ label }) => label)).toEqual(["a", "c"]);
  });

  it("gives ties to the lower index", () => {
    const [ties] = topK(tensor([1, 5], [1, 2, 2, 1, 2]), 4);
    expect(ties?.map(({ index }) => index)).toEqual([1, 2, 4, 0]);
  });

  it("takes probabilities as they are when told", () => {
    const probabilities = tensorOf("float64", [1, 2], Float64Array.of(0.1, 0.9));
    expect(topK(probabilities, 1, undefined, { probabilities: true })).toEqual([
      [{ label: "1", index: 1, probability: 0.9 }],
    ]);
    expect(topK(probabilities, 1)[0]?.[0]?.probability).toBeLessThan(0.7);
  });

  it("gives all classes where k is more than there are", () => {
    expect(topK(tensor([1, 10], new Float32Array(10)), 99, cifar10Labels)[0]).toHaveLength(10);
  });

  it("is the head of a stable sort", () => {
    const values = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 35 }), (row, k) => {
        const sorted = row.map((_, index) => index).sort((a, b) => row[b]! - row[a]! || a - b);
        const [found] = topK(tensor([1, row.length], row), k);
        expect(found?.map(({ index }) => index)).toEqual(sorted.slice(0, k));
      }),
    );
  });

  it("shows a NaN first, as PyTorch does", () => {
    const [found] = topK(tensor([1, 3], [5, Number.NaN, 7]), 3);
    expect(found?.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(found?.every(({ probability }) => Number.isNaN(probability))).toBe(true);
  });

  it.each([
    ["logits of shape [3]", "topK.K1", () => topK(tensor([3], [1, 2, 3]), 1)],
    ["k is 0", "topK.K2", () => topK(tensor([1, 2], [1, 2]), 0)],
    ["k is 1.5", "topK.K2", () => topK(tensor([1, 2], [1, 2]), 1.5)],
    ["10 labels for 2 classes", "topK.K3", () => topK(tensor([1, 2], [1, 2]), 1, cifar10Labels)],
  ])("%s (%s)", (message, label, act) => {
    expect(act).toThrow(ShapeError);
    expect(act).toThrow(message);
    expect(act).toThrow(`(${label})`);
  });
});
