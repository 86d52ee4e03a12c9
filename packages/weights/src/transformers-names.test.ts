import { readFile } from "node:fs/promises";
import { bind, parametersOf, resnet, tensorOf, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { renderName } from "./file-names.ts";
import { toTorchvision } from "./schemes.ts";
import { sharedPath } from "./testing/shared.ts";
import { transformersPatterns } from "./transformers-names.ts";
import { Weights } from "./weights.ts";

it.each([
  ["embedder.embedder.convolution", "conv1"],
  ["resnet.embedder.embedder.normalization", "resnet.bn1"],
  ["resnet.encoder.stages.2.layers.22.layer.0.convolution", "resnet.layer3.22.conv1"],
  ["a.b.encoder.stages.3.layers.0.shortcut.normalization", "a.b.layer4.0.downsample.1"],
  ["layer1.0.conv1", undefined],
  ["encoder.stages.0.layers.0.layer.0", undefined],
  ["myencoder.stages.0.layers.0.layer.0.convolution", undefined],
])("%s is %s", (name, torchvision) => {
  const rendered = transformersPatterns.map((pattern) => renderName(pattern, name));
  expect(rendered.find((each) => each !== undefined)).toBe(torchvision);
});

interface Key {
  readonly key: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly torchvision: string;
}

const table = sharedPath("data/known/naming-hf.json");
const naming =
  table === undefined
    ? undefined
    : (JSON.parse(await readFile(table, "utf8")) as Readonly<Record<string, readonly Key[]>>);

describe.each([
  ["microsoft/resnet-18", "resnet18"],
  ["microsoft/resnet-50", "resnet50"],
] as const)("%s", (published, model) => {
  it.skipIf(!naming)(`has the names of ${model}`, () => {
    const keys = naming![published]!;
    const graph = resnet(variants[model]);
    const zeros = keys.map(({ key, shape, dtype }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const zero =
        dtype === "int64"
          ? tensorOf("int64", shape, new BigInt64Array(size))
          : tensorOf("float32", shape, new Float32Array(size));
      return [key, zero] as const;
    });
    const { tensors } = toTorchvision(new Weights(new Map(zeros)), graph);
    for (const { key, torchvision } of keys.filter(({ dtype }) => dtype !== "int64"))
      expect(tensors.get(torchvision), key).toBe(new Map(zeros).get(key));
    expect(parametersOf(bind(graph, { tensors }))).toEqual([]);
  });
});
