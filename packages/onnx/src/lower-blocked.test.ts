import { fixtureWeights, type Graph, reference, resnet, sgd, trainable, trainingStep, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { backendOn } from "./backend.ts";
import { BLOCKED_DOMAIN } from "./blocked-layout.ts";
import { lowerToOnnx } from "./lower.ts";
import { blockSize } from "./runtime/node/block-size.ts";
import { loadRuntime, PACKAGE } from "./runtime/node/package.ts";
import { nodeRuntime } from "./runtime/node/runtime.ts";
import { tinyBatch, tinyStep } from "./testing/graphs.ts";
import { bitsOf } from "./testing/values.ts";

const block = await blockSize(await loadRuntime(PACKAGE), {});
const layouts = { "the plain layout": 1, "this machine's blocks": block };

const count = (graph: Graph, operator: string, domain?: string) =>
  lowerToOnnx(graph, "standard", 8).nodes.filter((node) => node.operator === operator && node.domain === domain).length;

/** The step of a network whose first parts are frozen: constant weights, and norms by their running statistics. */
function partlyFrozen(): Graph<string, "loss"> {
  const spec = resnet({ ...variants.cifar_resnet20, depths: [1, 1, 1] }, { input: [4, 3, 12, 12] });
  const net = trainable(spec, { weights: fixtureWeights(spec, "v1"), freeze: ["conv1", "layer1", "layer2.0.bn2"] });
  return trainingStep(net, { loss: "crossEntropy", optimizer: sgd() });
}

describe.each(Object.entries(layouts))("a step in %s", (_, block) => {
  const backend = backendOn("onnx", nodeRuntime({ threads: 1 }, { block }));

  it.each<[string, Graph<string, "loss">]>([
    ["of a whole network", tinyStep()],
    ["of a network that is frozen in part", partlyFrozen()],
  ])("%s changes the variables as on the reference", async (__, step) => {
    const names = step.updates.map(({ variable }) => variable.name);
    await using executable = await backend.compile(step);
    await using expected = await reference.compile(step);
    await executable.run(tinyBatch());
    await expected.run(tinyBatch());
    const [found, numbers] = [await executable.read(names), await expected.read(names)];
    for (const name of names) {
      const scale = Math.max(...Array.from(numbers[name]!.data, Math.abs));
      // Sums of 4 · 12² products, whose errors pass through seven layers.
      for (const [i, value] of found[name]!.data.entries())
        expect(Math.abs(value - numbers[name]!.data[i]!), name).toBeLessThan(7 * 576 * 2 ** -24 * scale);
    }
  });

  it("gives the same bits each time", async () => {
    const step = tinyStep();
    const names = step.updates.map(({ variable }) => variable.name);
    const runs = await Promise.all(
      [1, 2].map(async () => {
        await using executable = await backend.compile(step);
        for (let i = 0; i < 3; i++) await executable.run(tinyBatch());
        return Object.values(await executable.read(names)).map(bitsOf);
      }),
    );
    expect(runs[0]).toEqual(runs[1]);
  });
});

describe("the blocked layout", () => {
  it("has blocks of one, eight or sixteen channels", () => {
    expect([1, 8, 16]).toContain(block);
  });

  it("takes all convolutions of images, forward and backward, but the strided ones backward", () => {
    const graph = tinyStep();
    // Stem, six layers, and their gradients but for the picture's and two strided ones.
    const convolutions = lowerToOnnx(graph, "standard", 8).nodes.filter(
      ({ operator, domain, attributes }) =>
        operator === "Conv" && domain === BLOCKED_DOMAIN && !("group" in attributes),
    );
    expect(convolutions.length).toBe(7 + 4);
    expect(count(graph, "BatchNormalization")).toBe(0);
    expect(count(graph, "Relu")).toBe(7);
  });

  it("is left for weights' gradients, the strided gradients and the head", () => {
    const graph = tinyStep();
    // As rows for six gradients of weights.
    const { nodes } = lowerToOnnx(graph, "standard", 8);
    const leaving = nodes.filter(({ operator }) => operator === "ReorderOutput");
    expect(leaving.filter(({ attributes }) => "channels_last" in attributes).length).toBe(6);
  });
});
