import { constant, graph, input, ops, resnet, type Tensor, tensorOf, variants } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tiny, wide } from "../../testing/graphs.ts";
import { largestInlineBatch, workOf } from "./inline-batch.ts";

/** Zeros, of which only the shape counts. */
const zeros = (shape: readonly number[]): Tensor<"float32"> =>
  tensorOf("float32", shape, new Float32Array(shape.reduce((product, size) => product * size, 1)));

describe("workOf", () => {
  it("counts multiply-adds, numbers and nodes", () => {
    const x = input("x", ["N", 100]);
    const weight = constant("w", zeros([10, 100]));
    const y = ops.relu({ x: ops.linear({ x, weight }) });
    const [one, three] = [1, 3].map((batch) => workOf(graph({ name: "g", inputs: { x }, outputs: { y } }), batch));
    expect(one).toBe(1000 + 16 * (1000 + 10 + 10) + 2 * 2 ** 15);
    expect(three).toBe(3000 + 16 * (1000 + 30 + 30) + 2 * 2 ** 15);
  });
});

describe("largestInlineBatch", () => {
  it("is the last that is within the limit", () => {
    const g = tiny();
    const limits = fc.integer({ min: workOf(g, 1), max: workOf(g, 40) });
    fc.assert(
      fc.property(limits, (most) => {
        const largest = largestInlineBatch(g, most);
        expect(workOf(g, largest)).toBeLessThanOrEqual(most);
        expect(workOf(g, largest + 1)).toBeGreaterThan(most);
      }),
    );
  });

  it("is 0 where one image is too much, and Infinity where a fixed batch is not", () => {
    const [open, fixed] = [tiny(), tiny(2)];
    expect(largestInlineBatch(open, workOf(open, 1) - 1)).toBe(0);
    expect(largestInlineBatch(fixed, workOf(fixed, 2))).toBe(Infinity);
    expect(largestInlineBatch(fixed, workOf(fixed, 2) - 1)).toBe(0);
  });

  it.each([
    ["mlperf_tiny_resnet8", 32, 7],
    ["cifar_resnet20", 32, 2],
    ["cifar_resnet56", 32, 0],
    ["resnet18", 64, 0],
    ["resnet18", 224, 0],
  ] as const)("of %s at %d pixels is %d", (model, side, batch) => {
    expect(largestInlineBatch(resnet(variants[model], { input: ["N", 3, side, side] }))).toBe(batch);
  });

  it("is 0 for weights that take long to be read, though there is little to multiply", () => {
    expect(largestInlineBatch(wide(4096, 1, () => zeros([4096, 4096])))).toBe(0);
  });
});
