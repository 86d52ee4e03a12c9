import { constant, ops, type Tensor, tensor, toFloat64, type Value } from "@residual/core";
import { describe, expect, it } from "vitest";
import { float32 } from "../../suite/arithmetic.ts";
import { boundOf, composedBound } from "../../suite/bounds.ts";
import { backends } from "../../testing/backends.ts";
import { holdFloat32, holdReference } from "./hold.ts";
import { expanded, filled, operand, permuted } from "./operand.ts";
import type { Recorded } from "./request.ts";

const numbers = tensor([1, 2, 2, 1], [0.1, -2.7, 3.3, 1e-3]);
let count = 0;
const leaf = (value: Tensor<"float32">): Value => constant(`leaf${count++}`, value);

describe("the bound of several ops", () => {
  it("is bounds.ts to the letter for one", () => {
    const node = ops.add({ a: leaf(numbers), b: leaf(numbers) });
    const given = toFloat64(numbers);
    const value = given.data.map((each) => 2 * each);
    const expected = boundOf(node, { a: given, b: given }, { value, shape: given.shape, arithmetic: float32 });
    expect(composedBound(node, {}, float32)).toEqual({ value, bound: expected });
  });

  it("adds what came before to what an op errs by", () => {
    const once = ops.add({ a: leaf(numbers), b: leaf(numbers) });
    const [single, double] = [once, ops.add({ a: once, b: leaf(numbers) })].map((y) => composedBound(y, {}, float32));
    const grown = double!.bound.map((bound, i) => bound - single!.bound[i]!);
    expect(grown.every((each, i) => each >= float32.unit * Math.abs(double!.value[i]!))).toBe(true);
  });

  it("stays 0 through what moves and chooses", () => {
    const y = ops.flatten({ x: ops.maxPool2d({ x: ops.relu({ x: leaf(numbers) }) }, { window: [2, 1] }) });
    expect([...composedBound(y, {}, float32).bound]).toEqual([0, 0]);
  });

  it("refuses to guess how an op carries an error", () => {
    const y = ops.sigmoid({ x: ops.add({ a: leaf(numbers), b: leaf(numbers) }) });
    expect(() => composedBound(y, {}, float32)).toThrow("sigmoid: no rule says how it carries an error on");
  });
});

describe("a recorded answer that is off", () => {
  const x = operand([1, 1, 1, 3], [0.5, -1.25, 3]);
  const call = (recorded: readonly number[]): Recorded => ({
    request: { kind: "binary", of: "add", a: x, b: filled([1, 1, 1, 3], 1) },
    expected: operand([1, 1, 1, 3], recorded),
    making: { computed: "float64", recorded: "float32" },
  });

  it.each([
    ["reference", holdReference],
    ["onnx", holdFloat32],
  ] as const)("by two ulp is seen on %s", async (name, hold) => {
    const [right] = await hold(backends[name]!, [call([1.5, -0.25, 4])]);
    expect(right!.share).toBe(0);
    const [wrong] = await hold(backends[name]!, [call([1.5, -0.25, 4 + 2 ** -20])]);
    expect(wrong!.share).toBeGreaterThan(1);
    expect(wrong!.message).toMatch(/^element 2 is 4, expected 4\.00000095/);
  });
});

describe("laying out", () => {
  const x = operand([2, 3], [1, 2, 3, 4, 5, 6]);

  it("permutes as NumPy's transpose does", () => {
    expect(permuted(x, [1, 0])).toEqual(operand([3, 2], [1, 4, 2, 5, 3, 6]));
  });

  it("repeats along axes of 1 and along those that are missing", () => {
    expect(expanded(operand([2, 1], [7, 8]), [2, 2, 3]).data).toEqual(
      Float64Array.of(7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8),
    );
  });
});
