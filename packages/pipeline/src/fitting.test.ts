import { modelNames, type NamedSource, parametersOf, type ResNetSpec, resnet, variants } from "@residual/core";
import { Weights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { differenceText, recognitionOf } from "./fitting.ts";

/** A tensor whose numbers nobody reads. */
const unread = (shape: readonly number[]): NamedSource => ({
  dtype: "float32",
  shape,
  firstNonFinite: -1,
  isResident: false,
  read: () => Promise.reject(new Error("recognition reads numbers")),
});

type Rename = (name: string) => string | undefined;

function weightsOf(spec: ResNetSpec, rename: Rename = (name) => name): Weights {
  const tensors = parametersOf(resnet(spec)).flatMap(({ name, shape }) => {
    const renamed = rename(name);
    return renamed === undefined ? [] : [[renamed, unread(shape)] as const];
  });
  return new Weights(new Map(tensors));
}

const rows: Readonly<Record<string, ResNetSpec>> = variants;

/** Models that differ in strides, padding, epsilon or the place of zeros, and so have the same names and shapes. */
const twins: { readonly [name: string]: string } = {
  resnet50_v1: "resnet50",
  resnet101_v1: "resnet101",
  resnet152_v1: "resnet152",
  keras_resnet50_v02: "keras_resnet50",
  cifar_preact164_s3x3: "cifar_preact164",
  ...Object.fromEntries([20, 32, 44, 56, 110, 1202].map((n) => [`cifar_resnet${n}_padend`, `cifar_resnet${n}`])),
  paddle_unit_s1_id: "paddle_unit",
  pytorch_unit_s1_id: "paddle_unit",
  pytorch_unit: "paddle_unit",
};

describe("every model is told by names and shapes", () => {
  it.each(modelNames)("%s", (name) => {
    const { models, nearest } = recognitionOf(weightsOf(rows[name]!));
    expect(models).toContain(name);
    expect(models[0]).toBe(twins[name] ?? name);
    expect(nearest).toMatchObject({ missing: [], leftOver: [], misshapen: [] });
  });
});

const resnet50: ResNetSpec = variants.resnet50;
/** As kuangliu/pytorch-cifar saves a network, wrapped by DataParallel. */
const kuangliu: Rename = (name) => `module.${name.replace(".downsample.", ".shortcut.").replace(/^fc\./, "linear.")}`;
const withoutHead: Rename = (name) => (name.startsWith("fc.") ? undefined : name);

it.each<[string, Weights, string]>([
  ["a prefix", weightsOf(resnet50, (name) => `module.encoder.${name}`), "resnet50"],
  ["a wrapper in the middle", weightsOf(resnet50, (name) => name.replace("layer1.", "layer1._orig_mod.")), "resnet50"],
  ["another number of classes", weightsOf({ ...resnet50, classes: 7 }), "resnet50"],
  ["a last layer of another name", weightsOf(resnet50, (name) => name.replace(/^fc\b/, "head.fc")), "resnet50"],
  ["no last layer", weightsOf(resnet50, withoutHead), "resnet50"],
  ["one input channel", weightsOf({ ...resnet50, inputChannels: 1 }), "resnet50"],
  ["one input channel in a deep stem", weightsOf({ ...variants.resnet50d, inputChannels: 1 }), "resnet50d"],
  ["100 classes of CIFAR", weightsOf(variants.cifar100_resnet20), "cifar100_resnet20"],
  ["kuangliu's names", weightsOf(variants.cifar_resnet18, kuangliu), "cifar_resnet18"],
  ["kuangliu's names of bottlenecks", weightsOf(variants.cifar_resnet50, kuangliu), "cifar_resnet50"],
  ["kuangliu's names of akamaster's option B", weightsOf(variants.cifar10_resnet20, kuangliu), "cifar10_resnet20"],
  ["7 classes", weightsOf({ ...variants.cifar100_resnet20, classes: 7 }), "cifar10_resnet20"],
])("weights with %s are recognized", (_, weights, model) => {
  expect(recognitionOf(weights).models[0]).toBe(model);
});

const kerasFields: Readonly<Record<string, string>> = {
  running_mean: "moving_mean",
  running_var: "moving_variance",
};

function kerasV1(name: string): string {
  const [, module = "", field = ""] = /^(.*)\.(\w+)$/.exec(name)!;
  const isNorm = /bn\d$|downsample\.1$/.test(module);
  const layer = module
    .replace(/^(conv|bn)1$/, "conv1_$1")
    .replace(/^fc$/, "predictions")
    .replace(/^layer(\d)\.(\d+)\./, (_, stage, block) => `conv${Number(stage) + 1}_block${Number(block) + 1}_`)
    .replace(/_(conv|bn)(\d)$/, "_$2_$1")
    .replace("_downsample.0", "_0_conv")
    .replace("_downsample.1", "_0_bn");
  const variable =
    kerasFields[field] ?? { weight: isNorm ? "gamma" : "kernel", bias: isNorm ? "beta" : "bias" }[field]!;
  return `${layer}/${variable}`;
}

/** With kernels as Keras has them. */
function kerasWeights(spec: ResNetSpec): Weights {
  const { tensors } = weightsOf(spec, kerasV1);
  const orders: { readonly [rank: number]: readonly number[] } = { 4: [2, 3, 1, 0], 2: [1, 0] };
  const turned = [...tensors].map(([name, { shape }]) => {
    const order = orders[shape.length] ?? [0];
    return [name, unread(order.map((axis) => shape[axis]!))] as const;
  });
  return new Weights(new Map(turned));
}

it("a scheme tells which of two models its files are for", () => {
  expect(recognitionOf(kerasWeights(variants.keras_resnet50))).toMatchObject({
    scheme: "keras",
    models: ["keras_resnet50"],
  });
  const untold = recognitionOf(weightsOf(variants.keras_resnet50));
  expect(untold).toMatchObject({ scheme: "torchvision", models: ["keras_resnet50", "keras_resnet50_v02"] });
});

describe("where no model fits", () => {
  it("the nearest is named, with what is missing and what is left over", () => {
    const { tensors } = weightsOf({ ...resnet50, classes: 10 }, (name) => `net.${name}`);
    const cut = new Map([...tensors].filter(([name]) => name !== "net.layer3.5.conv2.weight"));
    cut.set("net.layer3.5.attention.weight", unread([256, 256]));
    cut.set("net.layer1.0.conv1.weight", unread([64, 64, 3, 3]));
    const found = recognitionOf(new Weights(cut));
    expect(found.models).toEqual([]);
    expect(found.nearest).toMatchObject({
      model: "resnet50",
      missing: ["layer3.5.conv2.weight"],
      leftOver: ["layer3.5.attention.weight"],
      misshapen: ["layer1.0.conv1.weight"],
    });
    expect(differenceText(found)).toBe(
      "they come nearest to resnet50, by the names of torchvision:\n" +
        "  1 missing: layer3.5.conv2.weight\n" +
        "  1 left over: layer3.5.attention.weight\n" +
        "  1 of another shape: layer1.0.conv1.weight",
    );
  });

  it("another network altogether is told so", () => {
    const tensors = new Map([["squeezenet0_conv0_weight", unread([64, 3, 3, 3])]]);
    const found = recognitionOf(new Weights(tensors));
    expect(found).toMatchObject({ models: [], nearest: undefined });
    expect(differenceText(found)).toBe(
      "not one has the name and the shape of a parameter; give weights of a residual network",
    );
  });
});

it("two sets of weights in one file are named, with the way to choose one", () => {
  const student = weightsOf(variants.cifar_resnet20, (name) => `student.${name}`);
  const teacher = weightsOf(variants.cifar_resnet20, (name) => `teacher.${name}`);
  const recognition = recognitionOf(new Weights(new Map([...student.tensors, ...teacher.tensors])));
  expect(recognition.models).toEqual([]);
  expect(differenceText(recognition)).toBe(
    'these weights fit cifar_resnet20 twice, under the names "student." and "teacher."; ' +
      'choose one with `prefix`, as "student."',
  );
});

it.each([
  ["torchvision", "fc.0", "fc.3"],
  ["Keras", "dense", "dense_1"],
])("a head of two layers, as %s names them, is told of the body's model", (_, first, second) => {
  const body = weightsOf(variants.resnet18, withoutHead).tensors;
  const head = [`${first}.weight`, `${second}.weight`].map((name) => [name, unread([512, 512])] as const);
  const recognition = recognitionOf(new Weights(new Map([...body, ...head])));
  expect(recognition.models).toEqual([]);
  expect(differenceText(recognition)).toBe(
    `the body of these weights is that of resnet18, and their head has 2 layers, "${first}", "${second}", ` +
      "where a model here has one; save one of them, or the body alone",
  );
});
