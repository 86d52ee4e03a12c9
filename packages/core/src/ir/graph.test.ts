import { describe, expect, it } from "vitest";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { add, conv2d, relu } from "../ops/index.ts";
import { graph, nodesOf, usesOf, valuesOf, variablesOf } from "./graph.ts";
import { print } from "./print.ts";
import { tensor } from "./tensor.ts";
import { constant, input, parameter, variable } from "./value.ts";

const image = input("image", ["N", 3, 4, 4]);

describe("graph", () => {
  it("names nodes after their op, as torch.fx does", () => {
    const y = relu({ x: relu({ x: relu({ x: image }) }) });
    expect(nodesOf(graph({ name: "g", inputs: { image }, outputs: { y } })).map(({ name }) => name)).toEqual([
      "relu",
      "relu_1",
      "relu_2",
    ]);
  });

  it("G1 refuses two parameters of one name", () => {
    const weight = () => parameter("w", [3, 3, 1, 1]);
    const y = conv2d({ x: conv2d({ x: image, weight: weight() }), weight: weight() });
    expect(() => graph({ name: "g", inputs: { image }, outputs: { y } })).toThrow("two values are named w (graph.G1)");
  });

  it("G2 refuses an input that is not declared", () => {
    const y = relu({ x: input("other", [1]) });
    expect(() => graph({ name: "g", inputs: { image }, outputs: { y } })).toThrow(
      "input other is not declared (graph.G2)",
    );
  });

  const count = variable("count", tensor([2], [0, 0]));
  const counted = add({ a: count, b: constant("one", tensor([2], [1, 1])) });

  it("holds variables by their updates, read or not", () => {
    const g = graph({ name: "g", inputs: {}, outputs: {}, updates: [{ variable: count, value: counted }] });
    expect(variablesOf(g)).toEqual([count]);
    expect(nodesOf(g)).toHaveLength(1);
    expect(usesOf(g).get(g.updates[0]!.value)).toBe(1);
  });

  it("G1 refuses a variable named like a constant", () => {
    const y = add({ a: count, b: constant("count", tensor([2], [1, 1])) });
    expect(() => graph({ name: "g", inputs: {}, outputs: { y } })).toThrow("two values are named count (graph.G1)");
  });

  it("G3 refuses an update of another shape", () => {
    const updates = [{ variable: count, value: constant("c", tensor([1], [1])) }];
    expect(() => graph({ name: "g", inputs: {}, outputs: {}, updates })).toThrow(
      "the update of count is 1, expected 2 (graph.G3)",
    );
  });

  it("G4 refuses two updates of one variable", () => {
    const updates = [counted, count].map((value) => ({ variable: count, value }));
    expect(() => graph({ name: "g", inputs: {}, outputs: {}, updates })).toThrow("count has two updates (graph.G4)");
  });

  it("walks a network of some 3,000 nodes in a row", () => {
    expect(nodesOf(resnet(variants.cifar_preact1001))).toHaveLength(3339);
  });

  it("has every input of a value before it", () => {
    const seen = new Set<unknown>();
    for (const value of valuesOf(resnet(variants.seresnet50))) {
      if (value.kind === "node") for (const from of Object.values(value.inputs)) expect(seen.has(from)).toBe(true);
      seen.add(value);
    }
  });
});

it("print shows one line a node, shapes first", () => {
  const net = resnet(variants.cifar_resnet20);
  expect(print(net).split("\n").slice(0, 3)).toEqual([
    "graph cifar_resnet20 (image: N×3×32×32) -> (logits: N×10 = fc)",
    "  conv1 : N×16×32×32 = conv2d(x: image, weight: conv1.weight 16×3×3×3) {stride 1, padding 1, dilation 1, groups 1}",
    "  bn1 : N×16×32×32 = batchNorm(x: conv1, scale: bn1.weight 16, shift: bn1.bias 16, mean: bn1.running_mean 16, variance: bn1.running_var 16) {epsilon 0.00001}",
  ]);
});
