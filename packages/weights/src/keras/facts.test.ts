import { type Tensor, tensorOf, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { factsOf } from "./facts.ts";

type Layer = readonly [kind: string, settings?: object];

const layersOf = (layers: readonly Layer[]) =>
  layers.map(([kind, settings]) => ({ class_name: kind, config: { name: kind.toLowerCase(), ...settings } }));

const networkOf = (...layers: Layer[]) =>
  factsOf({
    metadata: { "keras.config": JSON.stringify({ class_name: "Functional", config: { layers: layersOf(layers) } }) },
    stored: undefined,
  });

/** An arithmetic operation as Keras 3 writes it. Layers are named by number; the layer before is the input. */
const applied = ([kind, operand]: readonly [kind: string, operand: number], index: number) => ({
  class_name: kind,
  config: { name: String(index + 1) },
  inbound_nodes: [
    {
      args: [{ class_name: "__keras_tensor__", config: { keras_history: [String(index), 0, 0] } }, operand],
      kwargs: {},
    },
  ],
});

const input: Layer = ["InputLayer", { batch_shape: [null, 160, 160, 3] }];
const conv: Layer = ["Conv2D", { activation: "linear" }];
const relu: Layer = ["Activation", { activation: "relu" }];
const pool: Layer = ["GlobalAveragePooling2D"];
const dense = (activation: unknown = "softmax"): Layer => ["Dense", { activation }];
const rescaling = (scale: unknown, offset?: unknown): Layer => ["Rescaling", { scale, offset }];

describe("layers before the first convolution", () => {
  const colours = { channels: "rgb", side: 160, layers: ["rescaling"], std: [1, 1, 1] };

  it.each<[string, Layer, object]>([
    ["one factor", rescaling(1 / 255, 0), { ...colours, scale: 255, mean: [0, 0, 0] }],
    // x / 127.5 - 1, the "tf" mode of tf.keras.applications
    ["a factor and an offset", rescaling(1 / 127.5, -1), { ...colours, scale: 127.5, mean: [1, 1, 1] }],
    // x * [1/2, 1/4, 1/8] + [1, 2, 3] = (x - [-2, -8, -24]) / [2, 4, 8]
    [
      "one of each channel",
      rescaling([1 / 2, 1 / 4, 1 / 8], [1, 2, 3]),
      { ...colours, scale: 1, mean: [-2, -8, -24], std: [2, 4, 8] },
    ],
  ])("Rescaling by %s becomes preprocessing", (_, layer, expected) => {
    expect(networkOf(input, layer, conv, relu, pool, dense())?.rescaling).toEqual(expected);
  });

  it("two Rescalings follow one another, in networks within networks too", () => {
    const inner: Layer = ["Sequential", { layers: layersOf([["RandomFlip"], rescaling(2, 1), conv, relu]) }];
    // (x / 4 + 3) * 2 + 1 = (x / 2) + 7
    const found = networkOf(input, rescaling(1 / 4, 3), inner, pool, ["Dropout"], dense());
    expect(found?.rescaling).toMatchObject({ scale: 2, mean: [-7, -7, -7], std: [1, 1, 1] });
  });

  it.each<[string, Layer, object]>([
    // (x - 1) / 2, (x - 2) / 4, (x - 3) / 8
    [
      "each channel",
      ["Normalization", { axis: [-1], mean: [1, 2, 3], variance: [4, 16, 64] }],
      { scale: 1, mean: [1, 2, 3], std: [2, 4, 8] },
    ],
    // (x - 127.5) / 50 = x / 50 - 2.55
    [
      "all",
      ["Normalization", { mean: 127.5, variance: 2500 }],
      { scale: 50, mean: [2.55, 2.55, 2.55], std: [1, 1, 1] },
    ],
  ])("a Normalization of %s becomes preprocessing", (_, layer, expected) => {
    const { mean, ...found } = networkOf(input, layer, conv, relu, pool, dense())!.rescaling!;
    expect({ ...found, mean: mean.map((each) => Number(each.toFixed(12))) }).toMatchObject(expected);
  });

  it.each<[string, readonly (readonly [kind: string, operand: number])[], object]>([
    // the "tf" mode of tf.keras.applications
    [
      "x / 127.5 - 1",
      [
        ["TrueDivide", 127.5],
        ["Subtract", 1],
      ],
      { scale: 127.5, mean: [1, 1, 1], std: [1, 1, 1] },
    ],
    // (x * 2 + 1) / 4 = (x - -1/2) / 2
    [
      "(x * 2 + 1) / 4",
      [
        ["Multiply", 2],
        ["Add", 1],
        ["TrueDivide", 4],
      ],
      { scale: 2, mean: [-0.25, -0.25, -0.25] },
    ],
  ])("arithmetic becomes preprocessing: %s", (_, steps, expected) => {
    const layers = [{ class_name: "InputLayer", config: { name: "0" }, inbound_nodes: [] }, ...steps.map(applied)];
    const model = { config: { layers, output_layers: [[String(steps.length), 0, 0]] } };
    expect(
      factsOf({ metadata: { "keras.config": JSON.stringify(model) }, stored: undefined })?.rescaling,
    ).toMatchObject(expected);
  });

  it("a division by a negative number is refused", () => {
    const layers = [{ class_name: "InputLayer", config: { name: "0" } }, applied(["TrueDivide", -1], 0)];
    const metadata = { "keras.config": JSON.stringify({ config: { layers } }) };
    expect(() => factsOf({ metadata, stored: undefined })).toThrow("its layer 1 is a TrueDivide by -1, which");
  });

  it("a Normalization that was adapted has its numbers among the weights", () => {
    const tensors = new Map<string, Tensor>([
      ["normalization/mean", tensorOf("float32", [3], Float32Array.of(1, 2, 3))],
      ["normalization/variance", tensorOf("float32", [3], Float32Array.of(4, 16, 64))],
    ]);
    const layers = layersOf([input, ["Normalization", { axis: [-1], mean: null, variance: null }], conv]);
    const metadata = { "keras.config": JSON.stringify({ config: { layers } }) };
    expect(factsOf({ metadata, stored: undefined, tensors })?.rescaling).toMatchObject({
      scale: 1,
      mean: [1, 2, 3],
      std: [2, 4, 8],
    });
  });

  it.each<[string, Layer]>([
    ["Rescaling whose scale is neither a number nor three", rescaling("a text")],
    ["Rescaling whose scale is neither a number nor three", rescaling([1, 2])],
    ["Rescaling whose scale is not positive", rescaling(0)],
    ["Rescaling whose offset is neither a number nor three", rescaling(1, "x")],
    ["Normalization with invert: true", ["Normalization", { mean: 1, variance: 4, invert: true }]],
    ["Normalization over the axis [1]", ["Normalization", { mean: [1], variance: [4], axis: [1] }]],
    ["Normalization over the axis [2,3]", ["Normalization", { mean: 1, variance: 4, axis: [2, 3] }]],
    ["Normalization over the axis [3,1]", ["Normalization", { mean: 1, variance: 4, axis: [3, 1] }]],
    ["Normalization whose mean is neither a number nor three", ["Normalization", { mean: null, variance: null }]],
    ["Normalization whose variance is not positive", ["Normalization", { mean: 1, variance: 0 }]],
  ])("a %s is refused by its name", (problem, layer) => {
    const refused = () => networkOf(input, layer, conv, relu, pool, dense());
    expect(refused).toThrow(UnsupportedError);
    expect(refused).toThrow(`its layer ${layer[0].toLowerCase()} is a ${problem}, which preprocessing here cannot do`);
  });

  it.each(["RandomFlip", "RandomRotation", "RandAugment", "GaussianNoise", "SpatialDropout2D", "Identity"])(
    "%s does nothing in a trained model",
    (kind) => {
      expect(networkOf(input, [kind], rescaling(1 / 2), conv, relu, pool, dense())?.rescaling).toMatchObject({
        scale: 2,
      });
    },
  );

  it.each(["RandomCrop", "CenterCrop", "Resizing", "Lambda"])("what stands after a %s prepares no pictures", (kind) => {
    expect(networkOf(input, [kind], rescaling(1 / 2), conv, relu, pool, dense())?.rescaling).toBeUndefined();
  });
});

describe("the last layer", () => {
  it.each<[string, readonly Layer[], string | undefined]>([
    ["softmax", [dense()], undefined],
    ["linear", [dense("linear")], undefined],
    ["linear, then a softmax", [dense("linear"), ["Activation", { activation: "softmax" }]], undefined],
    ["linear, then a layer Softmax", [dense("linear"), ["Softmax"]], undefined],
    ["sigmoid", [dense("sigmoid")], "sigmoid"],
    ["linear, then a sigmoid", [dense("linear"), ["Activation", { activation: "sigmoid" }]], "sigmoid"],
    ["relu", [dense("relu")], "relu"],
    ["of its own", [dense({ class_name: "Mine" })], "mine"],
  ])("that is %s", (_, head, activation) => {
    expect(networkOf(input, conv, relu, pool, ...head)?.activation).toBe(activation);
  });
});

it("a configuration that is damaged says nothing, as one that is not there", () => {
  expect(factsOf({ metadata: { "keras.config": "{" }, stored: undefined })).toBeUndefined();
  expect(factsOf({ metadata: {}, stored: undefined })).toBeUndefined();
});
