import { readFile } from "node:fs/promises";
import {
  fixtureWeights,
  type Graph,
  type NamedSource,
  parametersOf,
  permuteAxes,
  resnet,
  type Tensor,
  tensor,
  tensorOf,
  UnsupportedError,
  variants,
  WeightsError,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import { toTorchvision } from "./schemes.ts";
import { sharedPath } from "./testing/shared.ts";
import { readTensors, Weights } from "./weights.ts";

function weightsNamed(...names: string[]): Weights {
  return new Weights(new Map(names.map((name, i) => [name, tensor([1], [i])])), { a: "b" });
}

const resnet8 = resnet(variants.mlperf_tiny_resnet8);
const names = (weights: Weights, graph: Graph = resnet8) => [...toTorchvision(weights, graph).tensors.keys()];

describe("Keras' numbered names", () => {
  it("have their kernels transposed: HWIO to OIHW, [in, out] to [out, in]", async () => {
    const kernel = tensor(
      [2, 1, 3, 2],
      Array.from({ length: 12 }, (_, i) => i),
    ); // the number at h, i, o is 6h + 2i + o
    const tensors = new Map<string, Tensor>([
      ["conv2d/kernel", kernel],
      ["dense/kernel", tensor([2, 3], [1, 2, 3, 4, 5, 6])],
    ]);
    const { tensors: moved } = await readTensors(toTorchvision(new Weights(tensors), resnet8));
    expect(moved.get("conv1.weight")).toEqual(tensor([2, 3, 2, 1], [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]));
    expect(moved.get("fc.weight")).toEqual(tensor([3, 2], [1, 4, 2, 5, 3, 6]));
    expect([...kernel.data]).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  it("count from any number, as the session does that made the model", () => {
    const kernel = (name: string) => [name, tensor([1, 1, 1, 1], [1])] as const;
    const second = new Weights(new Map(["conv2d_10/kernel", "conv2d_9/kernel", "conv2d_11/kernel"].map(kernel)));
    expect(names(second)).toEqual(["layer1.0.conv1.weight", "conv1.weight", "layer1.0.conv2.weight"]);
  });

  it("of layers that the graph does not have are left alone", () => {
    const more = new Map(
      Array.from({ length: 10 }, (_, i) => [`conv2d_${i + 1}/kernel`, tensor([1, 1, 1, 1], [1])] as const),
    );
    expect(names(new Weights(more)).at(-1)).toBe("conv2d_10.weight");
  });

  it("are refused for a kernel that cannot be transposed", () => {
    expect(() => names(weightsNamed("conv2d/kernel"))).toThrow(UnsupportedError);
    const integers = tensorOf("int32", [1, 1], new Int32Array(1));
    const kernels = new Map<string, Tensor>([
      ["conv2d/kernel", tensor([1, 1, 1, 1], [1])],
      ["dense/kernel", integers],
    ]);
    expect(() => names(new Weights(kernels))).toThrow(/is int32 \[1, 1\], expected float32 of 2 axes/);
  });

  it("are refused where two become one", () => {
    const twice = new Map(weightsNamed("conv2d/bias", "conv2d/beta").tensors);
    twice.set("conv2d/kernel", tensor([1, 1, 1, 1], [1]));
    expect(() => names(new Weights(twice))).toThrow(WeightsError);
    expect(() => names(new Weights(twice))).toThrow(
      'keras-numbered: "conv2d/beta" becomes "conv1.bias", and so does another',
    );
  });

  it("leave out what an optimizer keeps, with a note", () => {
    const kept = toTorchvision(
      weightsNamed("conv2d/vars/0", "optimizer/vars/0").withTensors(
        new Map([
          ["layers/conv2d/vars/0", tensor([1, 1, 1, 1], [1])],
          ["optimizer/vars/0", tensor([1], [1])],
        ]),
      ),
      resnet8,
    );
    expect([...kept.tensors.keys()]).toEqual(["conv1.weight"]);
    expect(kept.notes).toEqual(['left out: 1 tensor of an optimizer, "optimizer/vars/0"']);
  });
});

/** Expected names from MXNet's own function in Python, for resnet50_v2. */
it("reads Gluon's numbers as blocks, of networks of either block", () => {
  const layers = [
    ["stage1_conv0_weight", "layer1.0.conv1.weight"],
    ["stage3_batchnorm0_gamma", "layer3.0.bn1.weight"],
    ["stage3_conv0_weight", "layer3.0.conv1.weight"],
    ["stage3_conv3_weight", "layer3.0.shortcut.weight"],
    ["stage3_conv4_weight", "layer3.1.conv1.weight"],
    ["stage3_conv18_weight", "layer3.5.conv3.weight"],
    ["batchnorm0_running_var", "bn0.running_var"],
    ["conv0_weight", "conv1.weight"],
    ["batchnorm1_beta", "bn1.bias"],
    ["batchnorm2_beta", "bn.bias"],
    ["dense0_weight", "fc.weight"],
    ["dense0_bias", "fc.bias"],
  ];
  // all convolutions and norms of the file, because layers are counted
  const counts = [10, 13, 19, 10];
  const others = counts.flatMap((convs, i) => [
    ...Array.from({ length: convs }, (_, k) => `stage${i + 1}_conv${k}_weight`),
    ...Array.from({ length: convs - 1 }, (_, k) => `stage${i + 1}_batchnorm${k}_gamma`),
  ]);
  for (const prefix of ["", "resnetv24_"]) {
    const all = new Set([...layers.map(([file]) => file!), ...others].map((name) => prefix + name));
    const renamed = toTorchvision(weightsNamed(...all), resnet(variants.resnet50v2));
    const source = weightsNamed(...all);
    const numberOf = (weights: Weights, name: string) => (weights.tensors.get(name) as Tensor).data[0];
    for (const [file, target] of layers) expect(numberOf(renamed, target!)).toBe(numberOf(source, prefix + file!));
  }
  const ofV1 = ["conv0_weight", "conv0_bias", "conv1_weight", "conv2_bias", "conv3_weight", "conv4_bias"];
  const v1 = [...ofV1, ...[0, 1, 2, 3].map((i) => `batchnorm${i}_gamma`)].map((name) => `resnetv17_stage1_${name}`);
  expect(names(weightsNamed(...v1), resnet(variants.mxnet_resnet50_v1))).toEqual([
    "layer1.0.conv1.weight",
    "layer1.0.conv1.bias",
    "layer1.0.conv2.weight",
    "layer1.0.conv3.bias",
    "layer1.0.downsample.0.weight",
    "layer1.1.conv1.bias",
    ...["bn1", "bn2", "bn3", "downsample.1"].map((norm) => `layer1.0.${norm}.weight`),
  ]);
  const basic = names(
    weightsNamed("stage1_conv0_weight", "stage2_conv0_weight", "stage2_conv1_weight", "stage2_conv2_weight"),
    resnet(variants.resnet18v2),
  );
  expect(basic).toEqual([
    "layer1.0.conv1.weight",
    "layer2.0.conv1.weight",
    "layer2.0.conv2.weight",
    "layer2.0.shortcut.weight",
  ]);
});

interface KerasVariable {
  readonly layer: string;
  readonly shape: readonly number[];
  readonly h5_tf: string;
  readonly h5_keras3: string;
  readonly keras_v3: string;
  readonly torchvision: string;
}
const kerasNames = sharedPath("data/known/naming-keras.json");

/** The names of Keras' layers in fchollet's files of 2016: conv2_block1_0_conv is res2a_branch1. */
function nameOf2016(layer: string): string {
  const [, stage, block, part, kind] = /^conv(\d)_block(\d)_(\d)_(conv|bn)$/.exec(layer) ?? [];
  if (!stage) return { conv1_conv: "conv1", conv1_bn: "bn_conv1", predictions: "fc1000" }[layer]!;
  const branch = part === "0" ? "1" : `2${"abc"[Number(part) - 1]}`;
  return `${kind === "conv" ? "res" : "bn"}${stage}${"abcdef"[Number(block) - 1]}_branch${branch}`;
}

describe.each([
  ["resnet50", "keras_resnet50", ["h5_tf", "h5_keras3", "keras_v3", "2016", "short"]],
  ["resnet50v2", "keras_resnet50v2", ["h5_tf", "h5_keras3", "keras_v3", "short"]],
] as const)("Keras' names of %s", (published, model, layouts) => {
  it.skipIf(!kerasNames).each(layouts)("%s: each tensor becomes the parameter that it is", async (layout) => {
    const table = JSON.parse(await readFile(kerasNames!, "utf8")) as Record<string, readonly KerasVariable[]>;
    const shapes = new Map(parametersOf(resnet(variants[model])).map(({ name, shape }) => [name, shape]));
    const graph = resnet({ ...variants[model], width: 4, classes: 10 }); // narrow, so that the test is fast
    const twin = fixtureWeights(graph, "keras").tensors;
    const inFile = new Map<string, NamedSource>();
    for (const variable of table[published]!) {
      const target = variable.torchvision.replace("(final bn)", "bn");
      const ours = twin.get(target)!;
      const order = { 4: [2, 3, 1, 0], 2: [1, 0] }[ours.shape.length];
      const word = variable.h5_keras3.split("/").at(-1)!;
      const names = {
        h5_tf: variable.h5_tf,
        h5_keras3: variable.h5_keras3,
        keras_v3: variable.keras_v3,
        2016: `${nameOf2016(variable.layer)}/${nameOf2016(variable.layer)}_${oldWords[word]}_1:0`,
        short: `${variable.layer}/${word}`,
      };
      const source = order ? permuteAxes(ours, order) : ours;
      const published = shapes.get(target)!;
      expect(order ? order.map((axis) => published[axis]) : published).toEqual(variable.shape);
      inFile.set(names[layout], source);
    }
    const mapped = toTorchvision(new Weights(inFile), graph);
    expect(mapped.notes).toEqual([]);
    expect(new Set(mapped.tensors.keys())).toEqual(new Set(twin.keys()));
    for (const [name, { data }] of (await readTensors(mapped)).tensors)
      expect([name, data]).toEqual([name, twin.get(name)!.data]);
  });
});

const oldWords: Readonly<Record<string, string>> = {
  kernel: "W",
  bias: "b",
  gamma: "gamma",
  beta: "beta",
  moving_mean: "running_mean",
  moving_variance: "running_std",
};

const mlperf = sharedPath("data/weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors");
const trunk = sharedPath("data/weights/resnet50v2-trunk/stem-stage1-stage2.safetensors");

const normKeys = (norm: string) =>
  ["weight", "bias", "running_mean", "running_var"].map((suffix) => `${norm}.${suffix}`);
const convKeys = (conv: string) => [`${conv}.weight`, `${conv}.bias`];

/** The sorted numbers of all tensors, which renaming and transposing do not change. */
async function allNumbers(weights: Weights): Promise<Float64Array> {
  const { tensors } = await readTensors(weights);
  return Float64Array.from([...tensors.values()].flatMap(({ data }) => Array.from(data as Float32Array))).sort();
}

it.skipIf(!mlperf)("maps MLPerf's resnet8 onto its model, one to one", async () => {
  const file = await readWeights(mlperf!);
  const mapped = toTorchvision(file, resnet8);
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
  const mapped = toTorchvision(file, resnet(variants.resnet50v2_trunk));
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
