import { bind, fixtureWeights, type Graph, nodesOf, optimize, resnet, select, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { type Choice, gpuChoice, softwareChoice } from "./choice.ts";
import { conv2d } from "./kernels/index.ts";
import { lowerToPlan } from "./lower.ts";
import { candidatesOf, kernelTexts, keyOf, layerOf } from "./tuning.ts";

const families: readonly (readonly [string, Choice])[] = [
  ["lavapipe", softwareChoice(8, "textures")],
  ["SwiftShader", softwareChoice(4, "buffers")],
  ["GPUs", gpuChoice],
  ["plain", {}],
];

const network = (): Graph => {
  const model = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
  return optimize(select(bind(model, fixtureWeights(model, "v1")), ["logits"]));
};

/** The kernels of each node. */
const kernelsOf = (choice: Choice) =>
  lowerToPlan(network(), 2, choice).plan.dispatches.map(({ node, kernel }) => `${node}: ${kernel.name}`);

describe.each(families)("candidates of %s", (_, choice) => {
  it("have names of their own, the plain kernel last", () => {
    const names = candidatesOf(choice).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.at(-1)).toBe("plain");
    expect(names).not.toContain("");
  });

  it("are taken for the layer that they were found for, and no other", () => {
    const keys = nodesOf(network()).flatMap((node) => {
      const layer = layerOf(node, 2);
      return layer ? [{ name: node.name, key: keyOf(layer) }] : [];
    });
    const { name, key } = keys.at(-2)!;
    const alike = new Set(keys.filter((each) => each.key === key).map((each) => each.name));
    const before = kernelsOf(choice);
    const after = kernelsOf({ ...choice, tuned: new Map([[key, "plain"]]) });
    expect(after).toContain(`${name}: ${conv2d(choice.memory ?? "buffers").name}`);
    const isOther = (line: string) =>
      ![...alike].some((each) => line.startsWith(`${each}:`) || line.startsWith(`${each},`));
    expect(after.filter(isOther)).toEqual(before.filter(isOther));
  });

  it("that there are none of are not heeded", () => {
    const tuned = new Map(nodesOf(network()).map((node) => [keyOf(layerOf(node, 2) ?? any), "a kernel of tomorrow"]));
    expect(kernelsOf({ ...choice, tuned })).toEqual(kernelsOf(choice));
  });
});

const any = {
  inputs: {},
  attributes: { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false },
} as const;

it("every layer that a plan has a convolution for is known by the key that lowering asks for", () => {
  const asked = new Set<string>();
  const probing = new Map<string, string>();
  probing.get = (key) => {
    asked.add(key);
    return undefined;
  };
  lowerToPlan(network(), 2, { ...softwareChoice(8, "textures"), tuned: probing });
  const keys = nodesOf(network()).flatMap((node) => {
    const layer = layerOf(node, 2);
    return layer ? [keyOf(layer)] : [];
  });
  expect(asked).toEqual(new Set(keys));
  expect(asked.size).toBeGreaterThan(5);
});

it("kernels' texts are those of every program of a plan", () => {
  for (const [, choice] of families) {
    const texts = new Set(kernelTexts(choice));
    for (const { kernel } of lowerToPlan(network(), 2, choice).plan.dispatches) expect(texts).toContain(kernel.program);
  }
});
