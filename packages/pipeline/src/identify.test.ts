import {
  FormatError,
  fixtureWeights,
  type NamedSource,
  type Preprocessing,
  type ResNetSpec,
  resnet,
  tensor,
  UnsupportedError,
  variants,
  WeightsError,
} from "@residual/core";
import { cifar10Labels } from "@residual/vision";
import { imagenetLabels } from "@residual/vision/imagenet-labels";
import { encodeSafetensors, knownWeights, readWeights, Weights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { type GivenWeights, identify, type PrepareOptions } from "./identify.ts";
import { load } from "./index.ts";
import { OptionError } from "./option-error.ts";
import { bindModel, knownPreprocessing, prepare } from "./prepare.ts";

/** Weights of a row, as a file that says nothing of itself holds them, or with this metadata. */
function weightsOf(spec: ResNetSpec, metadata: Weights["metadata"] = {}): Weights {
  return new Weights(fixtureWeights(resnet(spec), "v1").tensors, metadata);
}

const renamed = (weights: Weights, rename: (name: string) => string): Weights =>
  weights.withTensors(
    new Map([...weights.tensors].map(([name, tensor]): [string, NamedSource] => [rename(name), tensor])),
  );

/** One block a stage: as quick to fill as it is to bind. */
const small = (spec: ResNetSpec): ResNetSpec => ({ ...spec, depths: spec.depths.map(() => 1), width: 8 });

describe("labels are told where model or weights know them, and nowhere else", () => {
  const ten = JSON.stringify(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
  const imagenetRow = small(variants.resnet18);
  const tutorialRow = small(variants.keras_tutorial_resnet);

  it.each<[string, ResNetSpec, Weights, readonly string[] | undefined]>([
    ["CIFAR-10's of a model for CIFAR-10", variants.cifar_resnet20, weightsOf(variants.cifar_resnet20), cifar10Labels],
    ["ImageNet's of a model for ImageNet", imagenetRow, weightsOf(imagenetRow), imagenetLabels],
    ["none of ten other classes", imagenetRow, weightsOf({ ...imagenetRow, classes: 10 }), undefined],
    ["none of seven of ten", variants.cifar_resnet20, weightsOf({ ...variants.cifar_resnet20, classes: 7 }), undefined],
    ["none of a model that nobody trained, with 1,000 classes", tutorialRow, weightsOf(tutorialRow), undefined],
    ["the weights' own", imagenetRow, weightsOf({ ...imagenetRow, classes: 10 }, { classes: ten }), JSON.parse(ten)],
    ["none where the weights' own are too few", imagenetRow, weightsOf(imagenetRow, { classes: ten }), undefined],
    [
      "a row's own",
      { ...imagenetRow, classes: 2, labels: ["cat", "dog"] },
      weightsOf({ ...imagenetRow, classes: 2 }),
      ["cat", "dog"],
    ],
  ])("%s", async (_, model, weights, labels) => {
    expect((await identify({ model, weights })).labels).toEqual(labels);
  });

  const own = weightsOf(variants.cifar_resnet20);
  const says = (metadata: Weights["metadata"]) => new Weights(own.tensors, metadata);
  const classes = JSON.stringify(cifar10Labels);

  it.each<[string, PrepareOptions, string | undefined]>([
    ["the model's row", { weights: own }, "model"],
    ["the model's row, whose name the file says", { weights: says({ model: "cifar_resnet20" }) }, "model"],
    ["the file", { weights: says({ classes }) }, "weights"],
    ["the file, as a guess", { weights: says({ classes, guessed: "classes" }) }, "guess"],
    ["the file, with another guess", { weights: says({ classes, guessed: "preprocessing" }) }, "weights"],
    ["the caller", { weights: own, labels: cifar10Labels }, "given"],
    [
      "a row of the caller's",
      { model: small(variants.resnet18), weights: weightsOf(small(variants.resnet18)) },
      "given",
    ],
    ["the known weights that ship", { weights: "resnet20-cifar10" }, "weights"],
    ["nobody", { weights: weightsOf({ ...variants.cifar_resnet20, classes: 7 }) }, undefined],
  ])("by %s, and it is said where they are guessed", async (_, asked, source) => {
    const { labelsSource, notes } = await identify({ model: "cifar_resnet20", ...asked });
    expect(labelsSource).toBe(source);
    const found = new Map<unknown, string>([
      ["model", ": nothing in the given weights names its 10 classes, so those of the model cifar_resnet20 are taken"],
      ["guess", ": those in the given weights were a guess when the file was written"],
    ]).get(source);
    expect(notes.filter((note) => note.startsWith("labels"))).toEqual(
      found === undefined ? [] : [`labels are guessed${found}; give \`labels\` (--labels FILE) where they are others`],
    );
  });

  it("known weights have those of their model", async () => {
    const known = { name: "mine", model: "cifar_resnet20", url: "" };
    const found = await identify({ weights: own.knownAs({ ...(await knownWeights())[0]!, ...known }) });
    expect([found.labelsSource, found.labels]).toEqual(["known weights", cifar10Labels]);
    expect((await identify({ model: "cifar_resnet20", weights: "fixture:v1" })).notes).toEqual([]);
  });

  it("the caller's before all, one for each class", async () => {
    const weights = weightsOf(variants.cifar_resnet20, { classes: ten });
    const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    expect((await identify({ model: "cifar_resnet20", weights, labels })).labels).toEqual(labels);
    const few = identify({ model: "cifar_resnet20", weights, labels: ["cat"] });
    await expect(few).rejects.toThrow(OptionError);
    await expect(few).rejects.toThrow("`labels` has 1 name, and the model 10 classes; give one for each");
  });

  it("whatever the model's name: ten classes of a ResNet-18 are not CIFAR-10's", async () => {
    const weights = weightsOf({ ...variants.resnet18, classes: 10 });
    const { spec, labels } = await identify({ model: "resnet18", weights });
    expect([spec.classes, labels]).toEqual([10, undefined]);
  });
});

describe("weights of other classes than the model's", () => {
  const spec = { ...variants.cifar_resnet20, classes: 7 };

  it.each<[string, (name: string) => string]>([
    ["as they are", (name) => name],
    ["of DataParallel", (name) => `module.${name}`],
    ["with a last layer that is called linear", (name) => name.replace(/^fc\b/, "linear")],
    ["with both", (name) => `module.${name.replace(/^fc\b/, "linear")}`],
  ])("%s, bind", async (_, rename) => {
    const { graph } = await prepare({ model: "cifar_resnet20", weights: renamed(weightsOf(spec), rename) });
    expect(graph.outputs.logits!.shape).toEqual(["N", 7]);
  });
});

describe("preprocessing", () => {
  const weights = weightsOf(variants.cifar_resnet20);
  const given: Preprocessing = { ...variants.cifar_resnet20.preprocessing, mean: [0.1, 0.2, 0.3] };
  const model = "cifar_resnet20";

  it("is the weights', else the model's, changed by the caller", async () => {
    const recorded = new Weights(weights.tensors, { preprocessing: JSON.stringify(given) });
    expect((await identify({ model, weights: recorded })).preprocessing).toEqual(given);
    expect((await identify({ model, weights })).preprocessing).toEqual(variants.cifar_resnet20.preprocessing);
    const changed = await identify({ model, weights: recorded, preprocessing: { crop: 28 } });
    expect(changed.preprocessing).toEqual({ ...given, crop: 28 });
    expect((await bindModel(changed)).graph.inputs.image.shape).toEqual(["N", 3, 28, 28]);
  });

  it("is said to be guessed where no weights say it", async () => {
    const metadata: Record<string, string> = { preprocessing: JSON.stringify(given) };
    const recorded = { tensors: weights.tensors, metadata };
    const source = async (options: PrepareOptions) => (await identify({ model, ...options })).preprocessingSource;
    expect(await source({ weights: recorded })).toBe("weights");
    expect(await source({ weights, preprocessing: { crop: 28 } })).toBe("model");
    expect(await source({ weights: recorded, preprocessing: given })).toBe("given");
    expect(await source({ weights: "fixture:v1" })).toBe("model");
    expect((await identify({ model, weights })).notes[0]).toBe(
      "preprocessing is guessed: nothing in the given weights says how pictures were prepared, " +
        "so that of the model cifar_resnet20 is taken",
    );
    const guessed = { ...recorded, metadata: { ...recorded.metadata, guessed: "classes,preprocessing" } };
    expect(await source({ weights: guessed })).toBe("guess");
    expect((await identify({ model, weights: guessed })).notes[0]).toBe(
      "preprocessing is guessed: that in the given weights was a guess when the file was written",
    );
    recorded.metadata.classes = JSON.stringify(cifar10Labels);
    for (const quiet of [recorded, "fixture:v1"]) expect((await identify({ model, weights: quiet })).notes).toEqual([]);
    const { preprocessing: _, ...row } = small(variants.resnet18);
    expect(await source({ model: row, weights: weightsOf(row) })).toBeUndefined();
  });

  it("of a row for pictures of another size makes the input", async () => {
    const row = { ...small(variants.resnet18), size: 64, preprocessing: { ...given, resize: 73, crop: 64 } };
    const { graph } = await prepare({ model: row, weights: weightsOf(row) });
    expect(graph.inputs.image.shape).toEqual(["N", 3, 64, 64]);
  });

  it("that nothing tells is asked for, not made up", async () => {
    const { preprocessing, ...row } = small(variants.resnet18);
    const unknown = { ...row, size: 64 };
    const prepared = await prepare({ model: unknown, weights: weightsOf(unknown) });
    expect([prepared.preprocessing, prepared.graph.inputs.image.shape]).toEqual([undefined, ["N", 3, 64, 64]]);
    expect(() => knownPreprocessing(prepared)).toThrow(OptionError);
    const asked = { model: unknown, weights: weightsOf(unknown), backend: "reference" };
    await expect(load(asked)).rejects.toThrow("say how a picture becomes its input; give `resize`, `crop`");
    await expect(load({ ...asked, preprocessing: { crop: 64 } })).rejects.toThrow(
      "preprocessing.resize: found nothing",
    );
    await using classifier = await load({ ...asked, preprocessing: { ...preprocessing, resize: 64, crop: 64 } });
    expect(classifier.preprocessing).toMatchObject({ resize: 64, crop: 64, scale: 255 });
  });
});

describe("weights", () => {
  const row = small(variants.resnet18);
  const bytes = encodeSafetensors(fixtureWeights(resnet(row), "v1").tensors, { model: "resnet18" });
  const file = () => new Blob(bytes.map((piece) => new Uint8Array(piece)));

  it.each<[string, () => GivenWeights | Promise<GivenWeights>]>([
    ["a Blob", file],
    ["a Response", () => new Response(file())],
    ["an ArrayBuffer", () => file().arrayBuffer()],
    ["a stream", () => file().stream()],
    ["a URL", async () => new URL(`data:;base64,${Buffer.from(await file().arrayBuffer()).toString("base64")}`)],
    ["tensors", () => ({ tensors: fixtureWeights(resnet(row), "v1").tensors })],
  ])("of %s", async (_, make) => {
    const identified = await identify({ model: row, weights: await make() });
    expect([...(await bindModel(identified)).graph.outputs.logits!.shape]).toEqual(["N", 1000]);
  });

  it("of another kind are a typed error that names it", async () => {
    const identified: unknown = Reflect.apply(identify, undefined, [{ model: row, weights: 42 }]);
    await expect(identified).rejects.toThrow(FormatError);
    await expect(identified).rejects.toThrow("found the number 42");
  });

  it("of another model are told with the models that they fit, in few lines", async () => {
    const other = renamed(weightsOf(variants.cifar_resnet20), (name) => `module.${name}`);
    const wrong = prepare({ model: "resnet18", weights: other });
    await expect(wrong).rejects.toThrow(WeightsError);
    await expect(wrong).rejects.toThrow(
      /^these weights fit cifar_resnet20 or cifar_resnet20_padend: \d+ problems .*(\n {2}.*){11}$/,
    );
    const forged = new Weights(other.tensors, { model: `\u001b[31m\n${"x".repeat(1e6)}` });
    await expect(prepare({ model: "resnet18", weights: forged })).rejects.toThrow(
      /^these weights fit .*, and are for \\u\{1b\}\[31m\\u\{a\}x{10,300}…x{10,300}: \d+ problems/,
    );
    await expect(identify({ weights: forged })).rejects.toThrow(/ says it is for \\u\{1b\}.{10,300}, an unknown model/);
    const said = prepare({ model: "resnet18", weights: "resnet20-cifar10" });
    await expect(said).rejects.toThrow("these weights are for cifar_resnet20: ");
  });

  it("that nothing names are of the model that they fit, with a note where two do", async () => {
    const other = renamed(weightsOf(variants.cifar_resnet20), (name) => `module.${name}`);
    const { model, notes } = await identify({ weights: other });
    expect(model).toBe("cifar_resnet20");
    expect(notes[0]).toBe(
      "the given weights: weights of cifar_resnet20 and cifar_resnet20_padend look alike; cifar_resnet20 is taken; " +
        "name the model to take another",
    );
    const seven = await prepare({ weights: weightsOf({ ...variants.cifar10_resnet20, classes: 7 }) });
    expect([seven.model, seven.graph.outputs.logits!.shape]).toEqual(["cifar10_resnet20", ["N", 7]]);
    await expect(identify({ weights: weightsOf(variants.pytorch_unit) })).rejects.toThrow(
      /: weights of paddle_unit and .* look alike; name the model with `model`$/,
    );
  });

  it("that look alike are of the architecture that a checkpoint says", async () => {
    const { tensors } = weightsOf(variants.cifar_resnet20);
    const of = async (arch: string) => {
      const { model, notes } = await identify({ weights: new Weights(tensors, { arch }) });
      return [model, notes.filter((note) => note.includes("look alike")).length];
    };
    expect(await of("cifar_resnet20_padend")).toEqual(["cifar_resnet20_padend", 0]);
    for (const other of ["resnet50", "my_net"]) expect(await of(other)).toEqual(["cifar_resnet20", 1]);
  });

  it.each(["resnetaa50", "resnetblur50", "seresnextaa101d_32x8d", "ecaresnetaa50"])(
    "of %s, which has the names and shapes of another model, are refused",
    async (arch) => {
      const refused = identify({ weights: new Weights(weightsOf(variants.cifar_resnet20).tensors, { arch }) });
      await expect(refused).rejects.toThrow(FormatError);
      await expect(refused).rejects.toThrow(`says it is for ${arch}, an unknown model; name another`);
    },
  );

  it("of a structure that has no name, as a configuration tells it, are of it", async () => {
    const spec: ResNetSpec = { block: "bottleneck", depths: [1, 2], width: [16, 40], strides: [2, 2], classes: 3 };
    const { classes: _, ...structure } = spec;
    const { graph, model } = await prepare({ weights: weightsOf(spec, { spec: JSON.stringify(structure) }) });
    expect([model, graph.outputs.logits!.shape]).toEqual(["resnet", ["N", 3]]);
    const damaged = weightsOf(spec, { spec: JSON.stringify({ depths: "many" }) });
    await expect(identify({ weights: damaged })).rejects.toThrow("resnet.R1");
    const deep = weightsOf(spec, { spec: JSON.stringify({ block: "basic", depths: [5000, 5000] }) });
    await expect(identify({ weights: deep })).rejects.toThrow("depths: found 10000 blocks in all, expected at most");
  });

  it("whose file has a published name, and the layers' names of another model's files, are the other's", async () => {
    const known = { model: "keras_resnet50", preprocessing: undefined, source: "file name" } as const;
    const of2016 = new Map([["res2a_branch2a/res2a_branch2a_W_1:0", tensor([1, 1, 1, 1], [1])]]);
    const weights = new Weights(of2016, {}, { known });
    // these are not whole: they are looked at by their names all the same
    await expect(identify({ weights })).rejects.toThrow(/no model here has its one tensor/);
  });

  it("have the epsilon and the preprocessing that a Keras file has", async () => {
    const file = new URL("../../weights/src/keras/fixtures/networks/resnet8.keras", import.meta.url);
    const { model, spec, preprocessing, notes } = await identify({ weights: file });
    expect([model, spec]).toEqual(["mlperf_tiny_resnet8", { ...variants.mlperf_tiny_resnet8, epsilon: 1e-4 }]);
    expect(notes).toContain(
      "the file's norms have an epsilon of 0.0001, which is taken; those of mlperf_tiny_resnet8 have 0.001",
    );
    // make.py: variances of 3600, 2500 and 1600
    const expected = { resize: 32, crop: 32, interpolation: "bilinear", scale: 1, channels: "rgb" };
    expect(preprocessing).toEqual({ ...expected, mean: [125, 120, 115], std: [60, 50, 40] });
    const notIt = identify({ weights: file, model: "cifar_resnet20" });
    await expect(notIt).rejects.toThrow(UnsupportedError);
    await expect(notIt).rejects.toThrow(
      /resnet8\.keras: its graph is not that of cifar_resnet20: found Conv2D "conv2d" with a bias before a norm, /,
    );
  });

  it("that have Keras' numbers of layers, and no configuration, are guessed to be a model's", async () => {
    const file = new URL("../../weights/src/keras/fixtures/networks/resnet8.keras", import.meta.url);
    const { stored } = await readWeights(file);
    const ofLayers = [...stored!.tensors].filter(([name]) => !name.startsWith("normalization/"));
    const weights = new Weights(new Map(ofLayers));
    const guess: unknown = expect.stringMatching(
      /^the model is guessed: the given weights holds weights alone, in the shapes of /,
    );
    const { model, notes } = await identify({ weights });
    expect(model).toBe("mlperf_tiny_resnet8");
    expect(notes).toContainEqual(guess);
    expect((await identify({ weights, model })).notes).not.toContainEqual(guess);
  });

  it("have the epsilon that their metadata say, which is a positive number", async () => {
    const weights = (epsilon: string) => weightsOf(variants.cifar_resnet20, { model: "cifar_resnet20", epsilon });
    expect((await identify({ weights: weights("0.001") })).spec.epsilon).toBe(1e-3);
    expect((await identify({ weights: weights("0.00001") })).spec).toBe(variants.cifar_resnet20);
    for (const epsilon of ["0", "-1", "NaN", "x", ""])
      await expect(identify({ weights: weights(epsilon) })).rejects.toThrow("expected a positive number");
  });

  it("have the Rescaling layer of Keras' configuration as preprocessing", async () => {
    const layers = [
      { class_name: "InputLayer", config: { name: "in", batch_shape: [null, 24, 24, 3] } },
      { class_name: "Rescaling", config: { name: "rescaling", scale: 1 / 255, offset: -1 } },
      { class_name: "Conv2D", config: { name: "conv2d", activation: "linear" } },
    ];
    const config = JSON.stringify({ class_name: "Functional", config: { layers } });
    const weights = weightsOf(variants.cifar_resnet20, { "keras.config": config });
    const { preprocessing, notes } = await identify({ model: "cifar_resnet20", weights });
    const expected = { resize: 24, crop: 24, interpolation: "bilinear", scale: 255, channels: "rgb" };
    expect(preprocessing).toEqual({ ...expected, mean: [1, 1, 1], std: [1, 1, 1] });
    expect(notes).toContainEqual(expect.stringMatching(/^preprocessing is guessed in part: .* layer rescaling,/));
  });

  it.each<[string, ResNetSpec, Weights["metadata"], RegExp]>([
    [
      "one output",
      { ...variants.cifar_resnet20, classes: 1 },
      {},
      /^cifar_resnet20 with the given weights has one output, and no softmax/,
    ],
    [
      "sigmoids",
      variants.cifar_resnet20,
      { activation: "sigmoid" },
      /has sigmoid after its logits, .* --outputs logits/,
    ],
    [
      "a sigmoid, by Keras",
      { ...variants.cifar_resnet20, classes: 1 },
      { "keras.config": '{"config":{"layers":[{"class_name":"Dense","config":{"activation":"sigmoid"}}]}}' },
      /has one output, with sigmoid after its logits/,
    ],
  ])("with %s do not classify, and have logits all the same", async (_, spec, metadata, message) => {
    const asked = { model: "cifar_resnet20", weights: weightsOf(spec, metadata) } as const;
    const loading = load({ ...asked, backend: "reference" });
    await expect(loading).rejects.toThrow(OptionError);
    await expect(loading).rejects.toThrow(message);
    expect((await prepare(asked)).graph.outputs.logits?.shape).toEqual(["N", spec.classes]);
  });

  it("whose list of classes has another length say so, and name none", async () => {
    const metadata = { model: "cifar_resnet20", classes: JSON.stringify(["cat", "dog", "fish"]) };
    const weights = weightsOf(variants.cifar_resnet20, metadata);
    const { labels, notes } = await identify({ weights });
    expect(labels).toBeUndefined();
    expect(notes).toContain(
      "the given weights: found names for 3 classes, and the last layer has 10: the names are left out; " +
        "give `labels` (--labels FILE) with a name for each",
    );
    const own = await identify({ weights, labels: cifar10Labels });
    expect([own.labels, own.notes.filter((note) => note.includes("left out"))]).toEqual([cifar10Labels, []]);
  });

  it("that fit no model are told with the nearest, in ten lines", async () => {
    const { tensors } = weightsOf(variants.cifar_resnet20);
    const cut = new Map([...tensors].slice(20));
    const error = (await identify({ weights: { tensors: cut } }).catch((reason: unknown) => reason)) as Error;
    expect(error).toBeInstanceOf(WeightsError);
    expect(error.message).toMatch(
      /^the given weights: no model here has .* nearest to cifar_resnet20, .*\n {2}20 missing: /,
    );
    expect(error.message.split("\n").length).toBeLessThanOrEqual(10);
  });

  it("without a last layer give features, with a note", async () => {
    const { tensors } = weightsOf(variants.cifar_resnet20);
    const body = new Map([...tensors].filter(([name]) => !name.startsWith("fc.")));
    const { graph, notes } = await prepare({ weights: { tensors: body } });
    expect(Object.keys(graph.outputs)).toEqual(["output"]);
    expect(notes).toContain("the weights have no last layer: the model ends with its features, as `output`");
  });

  it("of one input channel make a model of one", async () => {
    const grey = weightsOf({ ...variants.cifar_resnet20, inputChannels: 1 });
    const { graph, spec } = await prepare({ model: "cifar_resnet20", weights: grey });
    expect([spec.inputChannels, graph.inputs.image.shape]).toEqual([1, ["N", 1, 32, 32]]);
    await expect(load({ weights: grey, backend: "reference" })).rejects.toThrow(OptionError);
    await expect(load({ weights: grey, backend: "reference" })).rejects.toThrow("reads images of 1 channel");
  });

  it("of a model that differs in nothing that weights show are told in a note", async () => {
    const { notes } = await prepare({ model: "cifar_resnet20_padend", weights: "resnet20-cifar10" });
    expect(notes).toEqual(["resnet20-cifar10 is for cifar_resnet20, and cifar_resnet20_padend was asked for"]);
    const alias = new Weights(weightsOf(variants.pytorch_tutorial_net).tensors, { model: "seed004_net" });
    const named = await prepare({ model: "pytorch_tutorial_net", weights: alias });
    expect(named.notes.filter((note) => note.includes("asked for"))).toEqual([]);
  });

  it("of the right model, but not whole, are not told so", async () => {
    const { tensors } = weightsOf(variants.cifar_resnet20);
    const infinite = new Map(tensors).set(
      "fc.bias",
      tensor(
        [10],
        Array.from({ length: 10 }, () => Infinity),
      ),
    );
    await expect(prepare({ model: "cifar_resnet20", weights: { tensors: infinite } })).rejects.toThrow(/^1 problem/);
    const cut = new Map([...tensors].slice(1));
    await expect(prepare({ model: "cifar_resnet20", weights: { tensors: cut } })).rejects.toThrow(/^1 problem/);
  });

  it("hands on what was left out", async () => {
    const both = new Map(fixtureWeights(resnet(row), "v1").tensors).set("ema.unheard.of", tensor([1], [1]));
    const wrapped = new Map([...both].map(([name, source]) => [name.replace(/^(?!ema)/, "model."), source]));
    const told: string[] = [];
    const weights = { tensors: wrapped, metadata: { preprocessing: JSON.stringify(row.preprocessing) } };
    const { notes } = await prepare({ model: row, weights, onWarning: (note) => told.push(note) });
    expect(notes).toEqual([expect.stringMatching(/^the names under "model\." are taken; left out: 1 other tensor/)]);
    expect(told).toEqual(notes);
  });
});

describe("models", () => {
  it.each([
    ["seed002_keras", "keras_tutorial_resnet"],
    ["seed004_net", "pytorch_tutorial_net"],
    ["seed000_block_s2", "paddle_unit_s2"],
  ] as const)("%s is an alias of %s", async (alias, name) => {
    expect((await identify({ model: alias, weights: "fixture:v1" })).spec).toMatchObject(variants[name]);
  });

  it("are known by the weights' metadata, by an alias too", async () => {
    const weights = weightsOf(variants.pytorch_tutorial_net, { model: "seed004_net" });
    expect((await prepare({ weights })).spec).toEqual(variants.pytorch_tutorial_net);
  });

  it("have their known weights where only the model is given, by its row too", async () => {
    expect((await identify({ model: variants.cifar_resnet20 })).weights).toBe("resnet20-cifar10");
  });
});

describe("a file that holds a graph", () => {
  const exported = (name: string) => new URL(`../../weights/src/onnx/fixtures/${name}.onnx`, import.meta.url);
  const row: ResNetSpec = { ...small(variants.resnet18), depths: [1, 1], width: 4, classes: 5 };

  it("is of the caller's row, which its graph computes", async () => {
    const { tensors, spec, notes } = await identify({ model: row, weights: exported("torchscript-13") });
    expect(tensors.size).toBe(32);
    expect(spec.classes).toBe(5);
    expect(notes).toEqual([expect.stringMatching(/^preprocessing is guessed/)]);
  });

  it("is of a model that is not named", async () => {
    expect((await identify({ weights: exported("unit") })).model).toBe("pytorch_unit");
  });

  it("is refused with the first node that differs", async () => {
    await expect(identify({ weights: exported("torchscript-13") })).rejects.toThrow(
      /its graph fits no known model: .* found Conv "\/conv1\/Conv" with weights of 4×3×7×7, expected/,
    );
    const v1 = identify({ model: { ...row, block: "bottleneck" }, weights: exported("torchscript-v1") });
    await expect(v1).rejects.toThrow(/with stride 2×2, expected 1×1 for layer2\.0\.conv1/);
  });
});
