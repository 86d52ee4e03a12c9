import { bisect } from "@residual/conformance";
import { wasm } from "@residual/wasm";
import { expect, it } from "vitest";
import { type FaultName, withFault } from "../src/compare/faults.ts";

/** Nodes of the optimized ResNet-20, by what is planted in them. */
const wrong: { readonly [Name in FaultName]: readonly string[] } = {
  padding: ["layer2.0.relu", "layer3.0.relu"],
  relu: [1, 2, 3].flatMap((stage) => [0, 1, 2].map((block) => `layer${stage}.${block}.relu_1`)),
  bias: ["fc"],
};

it.each(Object.entries(wrong))("the planted fault %s is found in its nodes, and in no others", async (name, nodes) => {
  const { wrongNodes, firstWrongValue } = await bisect(withFault(wasm(), name as FaultName), "cifar_resnet20");
  expect(wrongNodes.map((node) => node.name)).toEqual(nodes);
  expect(firstWrongValue?.name).toBe(nodes[0]);
});
