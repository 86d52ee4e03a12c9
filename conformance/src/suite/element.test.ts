import { fill, ops, tensor } from "@residual/core";
import { expect, it } from "vitest";
import { float32, gamma } from "./arithmetic.ts";
import { elementBound } from "./element.ts";
import { expectationOf } from "./trial.ts";

const attributes = ops.conv2d.attributes({ padding: 1 });

it("by hand: the sum, and the bound of five roundings", () => {
  // x = [1 2; 3 4], w = [1 −1; 0.5 2], b = 0.25: 1 − 2 + 1.5 + 8 + 0.25, magnitudes 12.75 (docs/tolerances.md)
  const inputs = {
    x: tensor([1, 1, 2, 2], [1, 2, 3, 4]),
    weight: tensor([1, 1, 2, 2], [1, -1, 0.5, 2]),
    bias: tensor([1], [0.25]),
  };
  expect(elementBound({ op: "conv2d", attributes: ops.conv2d.attributes({}) }, inputs, 0)).toEqual({
    value: 8.75,
    bound: gamma(5, float32) * 12.75 + 2 * 5 * float32.smallest,
  });
});

const x = fill("element", "x", [1, 3, 6, 5], -1, 1);
const weight = fill("element", "weight", [4, 3, 3, 3], -1, 1);

it("each element alone has the value and the bound that it has among all", () => {
  const inputs = { x, weight };
  const all = expectationOf({ name: "all", op: "conv2d", attributes, inputs, constants: new Set() });
  for (let at = 0; at < all.value.length; at++) {
    const { value, bound } = elementBound({ op: "conv2d", attributes }, inputs, at);
    expect(value).toBeCloseTo(all.value[at]!, 12);
    expect(bound).toBeCloseTo(all.bound[at]!, 12);
  }
});

it("an op that is evaluated whole", () => {
  expect(elementBound({ op: "relu", attributes: {} }, { x: tensor([1, 2], [-1, 2]) }, 1)).toEqual({
    value: 2,
    bound: 0,
  });
});

it("Winograd's algorithm has a wider bound", () => {
  const node = { op: "conv2d", attributes };
  const plain = elementBound(node, { x, weight }, 7).bound;
  expect(elementBound(node, { x, weight }, 7, { algorithms: ["winograd-f4"] }).bound).toBeGreaterThan(2 * plain);
});

it("an unknown op is refused", () => {
  expect(() => elementBound({ op: "fold", attributes: {} }, {}, 0)).toThrow("no op is called fold");
});
