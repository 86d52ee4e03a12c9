import { expect, it } from "vitest";
import { fixtureWeights } from "../fixture.ts";
import { type Graph, graph, nodesOf } from "../ir/graph.ts";
import { print } from "../ir/print.ts";
import { tensor } from "../ir/tensor.ts";
import { input, variable } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { channelSum, globalAveragePool } from "../ops/index.ts";
import { bind } from "./bind.ts";
import { closeBatch } from "./close-batch.ts";
import { optimize } from "./index.ts";

it("gives the graph that is built for the batch", () => {
  for (const name of ["cifar_resnet20", "resnet50d", "keras_tutorial_resnet"] as const) {
    const open = resnet(variants[name], { input: ["N", 3, 64, 64] }) as Graph;
    expect(print(closeBatch(open, 5))).toBe(print(resnet(variants[name], { input: [5, 3, 64, 64] })));
  }
});

it("takes an optimized graph, and keeps aliases and updates", () => {
  const open = resnet(variants.cifar_resnet20) as Graph;
  const lean = optimize(bind(open, fixtureWeights(open, "v1")));
  const closed = closeBatch(lean, 2);
  expect(closed.outputs.logits!.shape).toEqual([2, 10]);
  expect(closed.aliases).toEqual(lean.aliases);
  const image = input("image", ["N", 2, 3, 3]);
  const count = variable("count", tensor([2], [0, 0]));
  const made = graph({
    name: "g",
    inputs: { image },
    outputs: { y: globalAveragePool({ x: image }) },
    updates: [{ variable: count, value: channelSum({ x: image }) }],
  });
  const { updates, inputs } = closeBatch(made, 4);
  expect(inputs.image.shape).toEqual([4, 2, 3, 3]);
  expect(
    updates.map(({ variable, value }) => [variable, Object.values(nodesOf(closeBatch(made, 4)))[1]?.op, value.shape]),
  ).toEqual([[count, "channelSum", [2]]]);
});

it("keeps a graph with a closed batch, and refuses no batch at all", () => {
  const closed = resnet(variants.cifar_resnet20, { input: [2, 3, 32, 32] });
  expect(closeBatch(closed, 7)).toBe(closed);
  expect(() => closeBatch(closed, 0)).toThrow("the batch must be whole and at least 1, found 0 (closeBatch.B1)");
  expect(() => closeBatch(closed, 1.5)).toThrow("(closeBatch.B1)");
});
