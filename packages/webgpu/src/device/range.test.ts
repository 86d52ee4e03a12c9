import { constant, type Graph, graph, input, ops, tensor } from "@residual/core";
import { describe, expect, it } from "vitest";
import { checkConstant, checkResults } from "./range.ts";

// Kernels are tested with numbers beyond the range in ../float16.test.ts, on lavapipe.

it.each([[[1, -65_519]], [[Number.NaN, Number.POSITIVE_INFINITY]], [[]]])("constants %j fit", (numbers) => {
  expect(() => checkConstant("fc.weight", Float32Array.from(numbers))).not.toThrow();
});

// IEEE 754: 65,520 is the middle of 65,504 and 65,536, the next number if there were one; a tie rounds to even
it.each([65_520, -1e38])("a constant of %d does not, and is named", (value) => {
  expect(() => checkConstant("fc.weight", Float32Array.of(1, value))).toThrow(
    /webgpu: fc.weight holds -?\d\S*, float16 holds 65,504 at most; leave float16 out/,
  );
});

describe("NaN among the results", () => {
  const of = (weight: number): Graph => {
    const x = input("x", [1, 1]);
    const y = ops.linear({ x, weight: constant("w", tensor([1, 1], [weight])) });
    return graph({ name: "product", inputs: { x }, outputs: { y } });
  };
  const run = (x: number, weight: number, y: number) => () =>
    checkResults(of(weight), { x: tensor([1, 1], [x]) }, { y: tensor([1, 1], [y]) });

  it("of finite numbers is an error that says which result, and what to do", () => {
    expect(run(1, 2, Number.NaN)).toThrow(
      "webgpu: y of product holds NaN in float16: a number on the way passed 65,504, " +
        "the most that float16 holds; leave float16 out, and it computes in float32",
    );
  });

  it.each([
    ["an input is NaN", Number.NaN, 1],
    ["an input is infinite", Number.NEGATIVE_INFINITY, 1],
    ["a constant is NaN", 1, Number.NaN],
  ])("is right where %s", (_, x, weight) => {
    expect(run(x, weight, Number.NaN)).not.toThrow();
  });

  it("is none where there is infinity", () => {
    expect(run(1, 2, Number.POSITIVE_INFINITY)).not.toThrow();
  });
});
