import { constant, fill, graph, input, ops } from "@residual/core";
import { describe, expect, it } from "vitest";
import { lowerToPlan } from "./lower.ts";

const choice = { instructions: "mul and add", isShared: false, winograd: false } as const;

describe("what lies otherwise than a kernel wants it is converted once", () => {
  it("an input that several nodes read", () => {
    const x = input("x", [1, 8, 6, 6]);
    const [a, b] = [ops.relu({ x }), ops.sigmoid({ x })];
    const plan = lowerToPlan(graph({ name: "two", inputs: { x }, outputs: { y: ops.add({ a, b }) } }), choice);
    const conversions = plan.steps.filter(({ node }) => node === "convert");
    expect(conversions.map(({ kernel }) => kernel.name)).toEqual([
      "convert host 8×6×6, quads 8×6×6",
      "convert quads 8×6×6, host 8×6×6",
    ]);
  });

  it("a value that is an output twice", () => {
    const x = input("x", [1, 8, 6, 6]);
    const y = ops.relu({ x });
    const plan = lowerToPlan(graph({ name: "twice", inputs: { x }, outputs: { y, z: y } }), choice);
    expect(plan.steps.filter(({ node }) => node === "convert")).toHaveLength(2);
    expect(plan.outputs.y!.place).toBe(plan.outputs.z!.place);
  });

  it("weights that two layers share are packed once", () => {
    const x = input("x", [1, 8, 6, 6]);
    const weight = constant("weight", fill("v1", "weight", [8, 8, 1, 1], -1, 1));
    const twice = ops.conv2d({ x: ops.conv2d({ x, weight }), weight });
    const plan = lowerToPlan(graph({ name: "shared", inputs: { x }, outputs: { y: twice } }), choice);
    expect(plan.loads.map(({ constant: { name } }) => name)).toEqual(["weight"]);
  });

  it("an image that several convolutions read with the same border", () => {
    const x = input("x", [1, 8, 9, 9]);
    const weights = ["a", "b"].map((name) => constant(name, fill("v1", name, [8, 8, 3, 3], -1, 1)));
    const [a, b] = weights.map((weight) => ops.conv2d({ x, weight }, { padding: 1 }));
    const plan = lowerToPlan(graph({ name: "fork", inputs: { x }, outputs: { y: ops.add({ a: a!, b: b! }) } }), choice);
    const into = plan.steps.filter(({ node, kernel }) => node === "convert" && kernel.name.startsWith("convert host"));
    expect(into.filter(({ kernel }) => !kernel.name.startsWith("border"))).toHaveLength(1);
  });

  it("rows of whole fours lie as tensors hold them: nothing is converted", () => {
    const x = input("x", [1, 8]);
    const plan = lowerToPlan(graph({ name: "row", inputs: { x }, outputs: { y: ops.softmax({ x }) } }), choice);
    expect(plan.steps.map(({ node }) => node)).not.toContain("convert");
  });
});

it("steps whose results nobody reads are left out", () => {
  const x = input("x", [1, 6, 4, 4]);
  const y = ops.flatten({ x });
  const plan = lowerToPlan(graph({ name: "flat", inputs: { x }, outputs: { y } }), choice);
  const read = new Set([
    ...plan.steps.flatMap(({ reads }) => reads),
    ...Object.values(plan.outputs).map(({ place }) => place),
  ]);
  expect(plan.steps.filter(({ writes }) => !read.has(writes))).toEqual([]);
});
