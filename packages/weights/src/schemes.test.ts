import { type Graph, type Tensor, tensor, tensorOf, UnsupportedError, WeightsError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { toTorchvision } from "./schemes.ts";
import { graphReading } from "./testing/golden-graph.ts";
import { sharedPath } from "./testing/shared.ts";
import { readTensors, Weights } from "./weights.ts";

const withFc: Graph = graphReading([
  ["conv1.weight", [1, 1, 1, 1], "conv_w"],
  ["fc.weight", [2, 3], "fc_w"],
  ["fc.bias", [2], "fc_b"],
]);

function weightsNamed(...names: string[]): Weights {
  return new Weights(new Map(names.map((name, i) => [name, tensor([1], [i])])), { a: "b" });
}

function renamed(names: string[], reading = withFc): string[] {
  return [...toTorchvision(weightsNamed(...names), reading).tensors.keys()];
}

describe("Keras's names", () => {
  const names = (weights: Weights) => [...toTorchvision(weights, withFc).tensors.keys()];

  it("have their kernels transposed: HWIO to OIHW, [in, out] to [out, in]", async () => {
    const kernel = tensor(
      [2, 1, 3, 2],
      Array.from({ length: 12 }, (_, i) => i),
    ); // at h, i, o: 6h + 2i + o
    const tensors = new Map<string, Tensor>([
      ["conv2d/kernel", kernel],
      ["dense/kernel", tensor([2, 3], [1, 2, 3, 4, 5, 6])],
    ]);
    const { tensors: moved } = await readTensors(toTorchvision(new Weights(tensors), withFc));
    expect(moved.get("conv1.weight")).toEqual(tensor([2, 3, 2, 1], [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]));
    expect(moved.get("fc.weight")).toEqual(tensor([3, 2], [1, 4, 2, 5, 3, 6]));
    expect([...kernel.data]).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  it("of a network that is not resnet8 are left alone", () => {
    expect(names(weightsNamed("conv2d/bias", "conv2d_9/bias"))).toEqual(["conv2d/bias", "conv2d_9/bias"]);
    expect(names(weightsNamed("conv2d/bias", "dense/bias/more"))).toEqual(["conv2d/bias", "dense/bias/more"]);
  });

  it("are refused for a kernel that cannot be transposed", () => {
    expect(() => names(weightsNamed("conv2d/kernel"))).toThrow(UnsupportedError);
    const integers = tensorOf("int32", [1, 1], new Int32Array(1));
    expect(() => names(new Weights(new Map([["dense/kernel", integers]])))).toThrow(
      /is int32 \[1, 1\], expected float32 of 2 axes/,
    );
  });

  it("are refused where two become one", () => {
    const twice = weightsNamed("conv2d/bias", "conv2d/beta");
    expect(() => names(twice)).toThrow(WeightsError);
    expect(() => names(twice)).toThrow('keras-resnet8: "conv2d/beta" becomes "conv1.bias", and so does another');
  });
});

it("reads Gluon's numbers as blocks", () => {
  expect(
    renamed([
      "stage3_batchnorm0_gamma",
      "stage3_conv0_weight",
      "stage3_conv3_weight",
      "stage3_conv4_weight",
      "stage3_conv18_weight",
    ]),
  ).toEqual([
    "layer3.0.bn1.weight",
    "layer3.0.conv1.weight",
    "layer3.0.shortcut.weight",
    "layer3.1.conv1.weight",
    "layer3.5.conv3.weight",
  ]);
  // not Gluon's resnet50_v2
  expect(renamed(["conv0_weight", "conv1_weight"])).toEqual(["conv0_weight", "conv1_weight"]);
});

const mlperf = sharedPath("data/weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors");
const trunk = sharedPath("data/weights/resnet50v2-trunk/stem-stage1-stage2.safetensors");

const normKeys = (norm: string) =>
  ["weight", "bias", "running_mean", "running_var"].map((suffix) => `${norm}.${suffix}`);
const convKeys = (conv: string) => [`${conv}.weight`, `${conv}.bias`];

/** Sorted numbers of all tensors: what no renaming and no transpose changes. */
async function allNumbers(weights: Weights): Promise<Float64Array> {
  const { tensors } = await readTensors(weights);
  return Float64Array.from([...tensors.values()].flatMap(({ data }) => Array.from(data as Float32Array))).sort();
}

it.skipIf(!mlperf)("maps MLPerf's resnet8 onto its model, one to one", async () => {
  const file = await readWeights(mlperf!);
  const mapped = toTorchvision(file, withFc);
  const blocks = ["layer1.0.", "layer2.0.", "layer3.0."];
  const expected = ["", ...blocks].flatMap((block) => [...convKeys(`${block}conv1`), ...normKeys(`${block}bn1`)]);
  for (const block of blocks) expected.push(...convKeys(`${block}conv2`), ...normKeys(`${block}bn2`));
  expected.push(...convKeys("layer2.0.downsample.0"), ...convKeys("layer3.0.downsample.0"), ...convKeys("fc"));
  expect([...mapped.tensors.keys()].toSorted()).toEqual(expected.toSorted());
  expect(await allNumbers(mapped)).toEqual(await allNumbers(file));
  const shape = (name: string) => mapped.tensors.get(name)?.shape;
  expect(shape("conv1.weight")).toEqual([16, 3, 3, 3]);
  expect(shape("layer2.0.downsample.0.weight")).toEqual([32, 16, 1, 1]);
  expect(shape("layer3.0.conv1.weight")).toEqual([64, 32, 3, 3]);
  expect(shape("fc.weight")).toEqual([10, 64]);
});

it.skipIf(!trunk)("maps the trunk of Gluon's resnet50v2 onto its model, one to one", async () => {
  const file = await readWeights(trunk!);
  const mapped = toTorchvision(file, withFc);
  const expected = [
    "conv1.weight",
    ...normKeys("bn0"),
    ...normKeys("bn1"),
    "layer1.0.shortcut.weight",
    "layer2.0.shortcut.weight",
  ];
  const blocks = ["layer1.0", "layer1.1", "layer1.2", "layer2.0", "layer2.1", "layer2.2", "layer2.3"];
  for (const block of blocks) {
    for (const k of [1, 2, 3]) expected.push(`${block}.conv${k}.weight`, ...normKeys(`${block}.bn${k}`));
  }
  expect([...mapped.tensors.keys()].toSorted()).toEqual(expected.toSorted());
  expect(new Set(mapped.tensors.values())).toEqual(new Set(file.tensors.values()));
  const shape = (name: string) => mapped.tensors.get(name)?.shape;
  expect(shape("layer1.0.shortcut.weight")).toEqual([256, 64, 1, 1]);
  expect(shape("layer2.0.conv2.weight")).toEqual([128, 128, 3, 3]);
  expect(shape("layer2.3.conv3.weight")).toEqual([512, 128, 1, 1]);
  expect(shape("layer2.1.bn1.weight")).toEqual([512]);
});
