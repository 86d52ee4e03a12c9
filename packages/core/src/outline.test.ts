import { describe, expect, it } from "vitest";
import { nodesOf } from "./ir/graph.ts";
import { resnet } from "./models/resnet.ts";
import { modelNames, variants } from "./models/variants.ts";
import { isAlike, nodesIn, type OutlinePart, outlineOf, runsOf } from "./outline.ts";
import { optimize } from "./passes/index.ts";
import { select } from "./passes/select.ts";

/** `layer1(layer1.0(…) …)`, two levels deep. */
const print = (parts: readonly OutlinePart[], depth: number): string =>
  parts
    .map((part) => (part.kind === "group" && depth > 1 ? `${part.name}(${print(part.parts, depth - 1)})` : part.name))
    .join(" ");

describe("outlineOf", () => {
  it.each(modelNames)("%s has each node once, in the order in which they run", (name) => {
    const graph = resnet(variants[name]);
    expect(outlineOf(graph).flatMap(nodesIn)).toEqual(nodesOf(graph));
  });

  it.each([
    [
      "resnet18",
      "stem(conv1 bn1 relu maxpool) layer1(layer1.0 layer1.1) layer2(layer2.0 layer2.1) layer3(layer3.0 layer3.1) layer4(layer4.0 layer4.1) avgpool flatten fc",
    ],
    [
      "cifar_preact20",
      "stem(conv1) layer1(layer1.0 layer1.1 layer1.2) layer2(layer2.0 layer2.1 layer2.2) layer3(layer3.0 layer3.1 layer3.2) bn final_relu avgpool flatten fc",
    ],
    [
      "pytorch_tutorial_net",
      "stem(conv1 bn1 relu) layer1(res1 res2 res3) layer2(conv2 bn2 relu2 res4 res5 res6) layer3(conv3 bn3 relu3 res7 res8 res9) avgpool flatten fc",
    ],
    ["paddle_unit_s2", "layer1(block)"],
    [
      "mlperf_tiny_resnet8",
      "stem(conv1 bn1 relu) layer1(layer1.0) layer2(layer2.0) layer3(layer3.0) avgpool flatten fc probabilities",
    ],
  ] as const)("%s is stages, and blocks in them", (name, expected) => {
    expect(print(outlineOf(resnet(variants[name])), 2)).toBe(expected);
  });

  it("groups what is in a block by names: a deep stem, a gate, a projection", () => {
    const [stem, layer1] = outlineOf(resnet({ ...variants.resnet50d, squeeze: 16 }));
    expect(print([stem!], 3)).toBe(
      "stem(conv1(conv1.0 conv1.1 conv1.2 conv1.3 conv1.4 conv1.5 conv1.6) bn1 relu maxpool)",
    );
    expect(print([layer1!], 4)).toContain(
      "layer1.0.se(layer1.0.se.pool layer1.0.se.fc1 layer1.0.se.act layer1.0.se.fc2 layer1.0.se.gate layer1.0.se) layer1.0.downsample(layer1.0.downsample.1 layer1.0.downsample.2)",
    );
  });

  it("is of any graph: a part of a network, one that is optimized, one without names", () => {
    expect(print(outlineOf(select(resnet(variants.resnet18), ["layer1.0"])), 2)).toMatch(
      /^stem\(.*\) layer1\(layer1\.0\)$/,
    );
    expect(print(outlineOf(optimize(resnet(variants.resnet18))), 1)).toBe(
      "stem layer1 layer2 layer3 layer4 avgpool flatten fc",
    );
  });
});

describe("runsOf", () => {
  const runs = (...of: readonly OutlinePart[]) => runsOf(of).map((run) => run.length);
  const blocks = (spec: Parameters<typeof resnet>[0]) =>
    outlineOf(resnet(spec)).flatMap((part) => (part.kind === "group" ? part.parts : []));

  it("joins blocks that follow one another and are alike", () => {
    const stages = outlineOf(resnet(variants.resnet34)).slice(1, 5);
    expect(stages.map((stage) => (stage.kind === "group" ? runs(...stage.parts) : []))).toEqual([
      [3],
      [1, 3],
      [1, 5],
      [1, 2],
    ]);
  });

  it("never joins layers, nor blocks that differ in stride, groups, width or what they add", () => {
    const [stem, ...layers] = outlineOf(resnet(variants.resnet18));
    expect(stem!.kind === "group" && runs(...stem!.parts)).toEqual([1, 1, 1, 1]);
    expect(runs(...layers)).toHaveLength(layers.length);
    const [one] = blocks({ block: "bottleneck", depths: [2], stem: "none" }).slice(-1);
    for (const change of [
      { groups: 2, widthPerGroup: 32 },
      { squeeze: 16 },
      { widthPerGroup: 128 },
      { bias: true },
      { preActivation: true },
    ]) {
      const [other] = blocks({ block: "bottleneck", depths: [2], stem: "none", ...change }).slice(-1);
      expect(isAlike(one!, other!), JSON.stringify(change)).toBe(false);
    }
    expect(isAlike(one!, blocks({ block: "bottleneck", depths: [3], stem: "none" }).at(-1)!)).toBe(true);
  });
});
