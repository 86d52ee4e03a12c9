import { UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { kerasNetwork } from "./keras-network.ts";

type Layer = readonly [kind: string, settings?: object];

const layersOf = (layers: readonly Layer[]) =>
  layers.map(([kind, settings]) => ({ class_name: kind, config: { name: kind.toLowerCase(), ...settings } }));

const networkOf = (...layers: Layer[]) =>
  kerasNetwork({
    metadata: { "keras.config": JSON.stringify({ class_name: "Functional", config: { layers: layersOf(layers) } }) },
    stored: undefined,
  });

const input: Layer = ["InputLayer", { batch_shape: [null, 160, 160, 3] }];
const conv: Layer = ["Conv2D", { activation: "linear" }];
const relu: Layer = ["Activation", { activation: "relu" }];
const pool: Layer = ["GlobalAveragePooling2D"];
const dense = (activation: unknown = "softmax"): Layer => ["Dense", { activation }];
const rescaling = (scale: unknown, offset?: unknown): Layer => ["Rescaling", { scale, offset }];

it("has its convolutions, where the configuration says all of each", () => {
  const of = (settings: object): Layer => ["Conv2D", { activation: "linear", ...settings }];
  const whole = of({ filters: 8, kernel_size: 3, strides: [2, 1] });
  expect(networkOf(whole, pool)?.convolutions).toEqual([{ channels: 8, kernel: [3, 3], stride: [2, 1] }]);
  expect(networkOf(whole, of({ filters: 8, kernel_size: [3, 3] }))?.convolutions).toBeUndefined();
});

describe("layers before the first convolution", () => {
  const colours = { channels: "rgb", side: 160, layers: ["rescaling"], std: [1, 1, 1] };

  it.each<[string, Layer, object]>([
    ["one factor", rescaling(1 / 255, 0), { ...colours, scale: 255, mean: [0, 0, 0] }],
    // x / 127.5 - 1, as tf.keras.applications' "tf" mode
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

  it.each<[string, Layer]>([
    ["Normalization", ["Normalization", { mean: [1, 2, 3], variance: [1, 1, 1] }]],
    ["CenterCrop", ["CenterCrop", { height: 160, width: 160 }]],
    ["Resizing", ["Resizing", { height: 160, width: 160 }]],
    ["RandomCrop", ["RandomCrop", { height: 160, width: 160 }]],
    ["Lambda", ["Lambda"]],
    ["GetItem", ["GetItem"]],
    ["Mine", ["my_package>Mine"]],
    ["Rescaling", rescaling("a text")],
    ["Rescaling", rescaling([1, 2])],
    ["Rescaling", rescaling(0)],
  ])("a layer of the kind %s is refused by its name", (kind, layer) => {
    const refused = () => networkOf(input, layer, conv, relu, pool, dense());
    expect(refused).toThrow(UnsupportedError);
    expect(refused).toThrow(`its layer ${layer[0].toLowerCase()} is a ${kind}, which no model here computes`);
  });

  it.each(["RandomFlip", "RandomRotation", "RandAugment", "GaussianNoise", "SpatialDropout2D", "Identity"])(
    "%s does nothing in a trained model",
    (kind) => {
      expect(networkOf(input, [kind], conv, relu, pool, dense())?.rescaling).toBeUndefined();
    },
  );
});

describe("layers within", () => {
  it.each<[Layer, string]>([
    [rescaling(1 / 255), "is a Rescaling"],
    [["GlobalMaxPooling2D"], "is a GlobalMaxPooling2D"],
    [["LeakyReLU"], "is a LeakyReLU"],
    [["ReLU", { max_value: 6 }], "is a ReLU with a slope, a threshold or a largest value"],
    [["Activation", { activation: "swish" }], "is a Activation with the activation swish"],
    [["Conv2D", { activation: "relu" }], "is a Conv2D with the activation relu"],
    [["Activation", { activation: { class_name: "LeakyReLU" } }], "with the activation leakyrelu"],
    [["Conv2D", { dilation_rate: [2, 2] }], "is a Conv2D with a dilation"],
  ])("%j is refused", (layer, message) => {
    expect(() => networkOf(input, conv, layer, pool, dense())).toThrow(message);
  });

  it("norms of two epsilons are refused: a model here has one", () => {
    const norm = (epsilon: number): Layer => ["BatchNormalization", { epsilon }];
    expect(networkOf(input, conv, norm(1e-3), conv, norm(1e-3), pool, dense())?.epsilon).toBe(1e-3);
    expect(() => networkOf(input, conv, norm(1e-3), conv, norm(0.1), pool, dense())).toThrow(
      "is a BatchNormalization with an epsilon of 0.1 after others with 0.001",
    );
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
  expect(kerasNetwork({ metadata: { "keras.config": "{" }, stored: undefined })).toBeUndefined();
  expect(kerasNetwork({ metadata: {}, stored: undefined })).toBeUndefined();
});
