import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import {
  bind,
  type Graph,
  type ModelName,
  type NamedSource,
  type RealTensor,
  type ResNetSpec,
  readTensor,
  reference,
  resnet,
  sizeOf,
  type Tensor,
  tensorOf,
  UnsupportedError,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { isList, recordOf } from "../json-values.ts";
import { nameByGraph } from "../network/identify.ts";
import { readWeights } from "../read-weights.ts";
import { toTorchvision } from "../schemes.ts";
import type { Weights } from "../weights.ts";
import { readNetwork } from "./network.ts";

const fixtures = new URL("fixtures/networks/", import.meta.url);

/** Keras' own results for the networks of fixtures/networks/make.py. */
const known: unknown = JSON.parse(gunzipSync(readFileSync(new URL("variants.json.gz", fixtures))).toString());

/** A network's configuration, and tensors of zeros in the shapes of its variables. */
function variantOf(name: string): { readonly config: unknown; readonly tensors: ReadonlyMap<string, NamedSource> } {
  const { config, shapes } = recordOf(recordOf(known)[name]);
  const tensors = Object.entries(recordOf(shapes)).map(([tensor, sizes]): [string, NamedSource] => {
    const shape = isList(sizes) ? sizes.map(Number) : [];
    return [tensor, tensorOf("float32", shape, new Float32Array(sizeOf(shape)))];
  });
  return { config, tensors: new Map(tensors) };
}

const image = (name: string, batch_shape: readonly unknown[] = [null, 8, 8, 3]) => ({
  class_name: "InputLayer",
  config: { name, batch_shape },
});

/** A ReLU on the output of another layer, as Keras 2 writes it. */
const relu = (name: string, from: readonly [layer: string, node: number, output: number]) => ({
  class_name: "ReLU",
  config: { name },
  inbound_nodes: [[[...from, {}]]],
});

function named(variant: string) {
  const { config, tensors } = variantOf(variant);
  const { network, ...told } = readNetwork(config, tensors)!;
  return { ...nameByGraph(network, "net.keras", tensors), ...told };
}

describe("the network in a Keras configuration", () => {
  it.each([
    "plain",
    "of Keras 2",
    "a global pool",
    "sums the other way",
    "a head of logits",
    "a head of sigmoids",
    "an open size",
    "dropout",
    "a rescaling",
    "a norm",
    "a norm that was learnt",
    "an inverted norm",
    "arithmetic",
    "arithmetic of Keras 2",
    "nested",
    "zeros in a layer",
    "an epsilon",
  ])("%s: is MLPerf's, whatever its layers are called", (variant) => {
    const { metadata, tensors, graph } = named(variant);
    expect(graph.mismatch).toBeUndefined();
    expect(metadata.model).toBe("mlperf_tiny_resnet8");
    const { shape } = tensors.get("fc.weight")!;
    expect(shape).toEqual([variant === "nested" ? 3 : 10, 64]);
    expect(tensors.get("layer3.0.downsample.0.weight")!.shape).toEqual([64, 32, 1, 1]);
  });

  it.each([
    // 33 pixels with stride 2: TensorFlow pads one pixel at the end, PyTorch one at both ends
    ["PyTorch's padding", /Conv2D "conv2d_\d+" with padding 1, 1, 1, 1, expected 0, 0, 1, 1 for layer2\.0\.conv1/],
    ["no padding", /Conv2D "conv2d_\d+" with padding 0, 0, 0, 0, expected 1, 1, 1, 1 for conv1/],
    ["a pool in the stem", /found MaxPooling2D "max_pooling2d" after Activation of relu "\w+", expected conv2d for/],
    ["a small pool", /found AveragePooling2D "average_pooling2d_\d+" after .* expected globalAveragePool for avgpool/],
    ["a maximum", /found GlobalMaxPooling2D "\w+" after .*, expected globalAveragePool for avgpool/],
    [
      "another activation",
      /found Activation of (swish|silu) "\w+" after BatchNormalization "\w+", expected relu for relu/,
    ],
    ["a leak", /found Activation of leakyrelu "\w+" after BatchNormalization "\w+", expected relu for relu/],
    [
      "a ReLU of a convolution",
      /found BatchNormalization "\w+" after Conv2D of relu "conv2d_\d+", expected conv2d for layer1\.0\.conv2/,
    ],
    ["a bare sum", /expected relu for layer2\.0\.relu/],
    ["a dilation", /Conv2D "conv2d_\d+" with dilation 2×2, expected 1×1 for conv1/],
    ["groups", /Conv2D "conv2d_\d+" with weights of 16×8×3×3, expected 16×16×3×3 for layer1\.0\.conv1/],
    ["two epsilons", /BatchNormalization "\w+" with epsilon (0\.001|0\.00001), expected 0\.\d+ for \S+bn/],
    ["steps elsewhere", /Conv2D "conv2d_\d+" with stride 1×1, expected 2×2 for layer2\.0\.conv1/],
    ["in training", /found Functional as in training "base"/],
    ["a number before", /found Subtract "\w+" after InputLayer "\w+", expected conv2d for conv1/],
    ["a number before, of Keras 2", /found nothing after InputLayer "\w+", expected conv2d for conv1/],
    ["two readers", /found pictures that several layers read, expected one layer, rescaling/],
    ["a resize", /found Resizing "resizing" after InputLayer "\w+", expected conv2d for conv1/],
    ["a layer of one's own", /found Lambda "lambda" after Flatten "flatten_\d+", expected linear for fc/],
    ["a layer between", /found Dense "dense_\d+" after Dense "dense_\d+", expected the end/],
  ])("with %s is refused, with the layer, what was found and what the model has", (variant, message) => {
    const { metadata, graph } = named(variant);
    expect(metadata.model).toBeUndefined();
    const fit = () => graph.fit(resnet(variants.mlperf_tiny_resnet8, { name: "mlperf_tiny_resnet8" }));
    expect(fit).toThrow(UnsupportedError);
    expect(fit).toThrow(message);
  });

  it("tells its epsilon, its scaling and its last activation", () => {
    expect(named("an epsilon").graph.epsilon).toBe(1e-4);
    expect(named("two epsilons").graph.epsilon).toBeUndefined();
    expect(named("a head of sigmoids").activation).toBe("sigmoid");
    expect(named("a head of logits").activation).toBeUndefined();
    expect(named("a rescaling").scaling.map(({ name }) => name)).toEqual([expect.stringMatching(/^rescaling/)]);
    expect(named("arithmetic").scaling.map(({ kind, operand }) => [kind, operand])).toEqual([
      ["TrueDivide", 127.5],
      ["Subtract", 1],
    ]);
    expect(named("arithmetic of Keras 2").scaling.map(({ kind, operand }) => [kind, operand])).toEqual([
      ["math.multiply", 2],
      ["__operators__.add", 1],
      ["math.truediv", 4],
    ]);
    expect(named("nested").scaling).toHaveLength(1);
    const { mean, variance } = named("a norm that was learnt").scaling[0]!.tensors;
    expect(mean).toMatch(/^normalization\w*\/mean$/);
    expect(variance).toMatch(/^normalization\w*\/variance$/);
  });

  it.each<[object, string]>([
    [{ max_value: 6 }, "found ReLU with a slope, a threshold or a largest value"],
    [{ negative_slope: 0.1 }, "found ReLU with a slope, a threshold or a largest value"],
    [{ threshold: 1 }, "found ReLU with a slope, a threshold or a largest value"],
  ])("has no ReLU of the settings %j", (settings, message) => {
    const { config, tensors } = variantOf("plain");
    const changed: unknown = JSON.parse(
      JSON.stringify(config).replace('"class_name":"Activation","config":{', (text) =>
        text.replace("Activation", "ReLU").concat(JSON.stringify(settings).slice(1, -1), ","),
      ),
    );
    const { graph } = nameByGraph(readNetwork(changed, tensors)!.network, "net.keras", tensors);
    expect(graph.mismatch).toContain(message);
  });

  it("has one input", () => {
    const inputs = ["a", "b"].map((name) => ({ class_name: "InputLayer", config: { name } }));
    const model = { config: { layers: [...inputs, relu("r", ["a", 0, 0])], output_layers: [["r", 0, 0]] } };
    expect(readNetwork(model, new Map())!.network).toEqual({ found: 'the inputs "a", "b"', expected: "one" });
  });

  it("may list its layers in any order, and call a layer's only application by another number", () => {
    const layers = [relu("c", ["b", 3, 0]), relu("b", ["a", 0, 0]), relu("a", ["i", 0, 0]), image("i")];
    const { network } = readNetwork({ config: { layers, output_layers: ["c", 0, 0] } }, new Map())!;
    expect(network).toMatchObject({ outputs: [{ name: "c" }] });
    expect("nodes" in network && network.nodes.map(({ name }) => name)).toEqual(["i", "a", "b", "c"]);
  });

  it("tells activations after a Dense in their order, and none where there is no Dense", () => {
    const dense = { class_name: "Dense", config: { name: "d", activation: "relu" } };
    const softmax = { class_name: "Softmax", config: { name: "s" } };
    const activation = { class_name: "Activation", config: { name: "r", activation: "relu" } };
    const row = (...layers: object[]) => readNetwork({ config: [image("i"), ...layers] }, new Map())!;
    expect(row(dense, softmax).activation).toBe("relu, then softmax");
    expect(row(activation).activation).toBeUndefined();
    expect(row(activation).network).toMatchObject({ outputs: [{ name: "r" }] });
  });

  it.each(["outer/inner/c/kernel", "outer/c/kernel", "c/kernel"])(
    "of models within models finds the tensor %s, and the format of its images",
    (kernel) => {
      const settings = { name: "c", data_format: "channels_first", use_bias: false };
      const within = (name: string, layer: object) => ({ class_name: "Sequential", config: { name, layers: [layer] } });
      const inner = within("inner", { class_name: "Conv2D", config: settings });
      const config = [image("i", [null, 2, 8, 6]), within("outer", inner)];
      const tensors = new Map([[kernel, { shape: [3, 3, 2, 4] }]]);
      expect(readNetwork({ config }, tensors)!.network).toMatchObject({
        image: { operation: { shape: [undefined, 2, 8, 6], isChannelsLast: false } },
        outputs: [{ node: { operation: { op: "conv2d", weight: { tensor: kernel, shape: [4, 2, 3, 3] } } } }],
      });
    },
  );

  it.each(["mean", "vars/0"])("has the mean of a norm of pictures under norm/%s", (variable) => {
    const norm = { class_name: "Normalization", config: { name: "norm" } };
    const tensors = new Map([[`norm/${variable}`, { shape: [3] }]]);
    expect(readNetwork({ config: [image("i"), norm] }, tensors)!.scaling[0]!.tensors).toEqual({
      mean: `norm/${variable}`,
    });
  });

  it("is not there in a configuration without layers, or in none", () => {
    for (const config of [undefined, null, 1, "x", {}, { config: {} }, { class_name: "Mine", config: { units: 3 } }])
      expect(readNetwork(config, new Map())).toBeUndefined();
  });

  it("that reads itself, or that is endless, has no end", () => {
    const layers = [relu("a", ["b", 0, 0]), relu("b", ["a", 0, 0])];
    const ofLoop = { class_name: "Model", config: { layers, output_layers: [["a", 0, 0]] } };
    expect(readNetwork(ofLoop, new Map())!.network).toEqual({ found: "no input", expected: "one" });
    const base = { class_name: "Sequential", config: { layers: [{ class_name: "ReLU", config: { name: "r" } }] } };
    const twice = (inner: object) => ({ class_name: "Sequential", config: { layers: [inner, inner] } });
    const bomb = Array.from({ length: 16 }).reduce<object>(twice, base);
    expect(readNetwork(bomb, new Map())!.network).toMatchObject({ expected: "less than 20000" });
  });
});

async function numbersOf(source: NamedSource | undefined): Promise<Tensor<"float32">> {
  const found = source && (await readTensor(source));
  if (found?.dtype !== "float32") throw new Error(`found ${found?.dtype ?? "no tensor"}, expected float32`);
  return found;
}

async function answerOf(
  weights: Weights,
  model: ModelName,
  image: Tensor<"float32">,
): Promise<Record<string, RealTensor>> {
  const row: ResNetSpec = { ...variants[model], ...(weights.epsilon !== undefined && { epsilon: weights.epsilon }) };
  const spec: Graph<"image"> = resnet(row, { name: model, input: image.shape });
  await using executable = await reference.compile(bind(spec, toTorchvision(weights, spec)));
  return executable.run({ image });
}

describe("what Keras saved, by its own answers", () => {
  it.each([
    ["resnet8.keras", "resnet8.safetensors", "mlperf_tiny_resnet8", "logits"],
    ["unit.h5", "unit.safetensors", "pytorch_unit", "output"],
  ] as const)("%s computes them", async (file, answers, model, output) => {
    const { tensors } = await readWeights(new URL(answers, fixtures));
    const [image, wanted] = [await numbersOf(tensors.get("image")), await numbersOf(tensors.get(output))];
    for (const source of [new URL(file, fixtures), await readFile(new URL(file, fixtures))]) {
      const weights = await readWeights(source);
      expect(weights.metadata.model).toBe(model);
      const found = (await answerOf(weights, model, image))[output]!;
      expect(found.shape).toEqual(wanted.shape);
      const largest = Math.max(...wanted.data.map(Math.abs));
      // Keras computes in float32: sums of at most 576 products in 9 layers
      for (const [i, each] of found.data.entries())
        expect(Math.abs(each - wanted.data[i]!)).toBeLessThan(1e-4 * largest);
    }
  });
});
