import {
  fixtureWeights,
  type NamedSource,
  type Preprocessing,
  type ResNetSpec,
  resnet,
  variants,
} from "@residual/core";
import { cifar10Labels, imagenetLabels } from "@residual/vision";
import type { Weights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { identify } from "./identify.ts";
import { load } from "./load.ts";
import { OptionError } from "./option-error.ts";
import { bindModel, knownPreprocessing, prepare } from "./prepare.ts";

/** Weights of a row, as a file that says nothing of itself holds them, or with this metadata. */
function weightsOf(spec: ResNetSpec, metadata: Weights["metadata"] = {}): Weights {
  return { tensors: fixtureWeights(resnet(spec), "v1").tensors, metadata };
}

const renamed = ({ tensors, metadata }: Weights, rename: (name: string) => string): Weights => ({
  tensors: new Map([...tensors].map(([name, tensor]): [string, NamedSource] => [rename(name), tensor])),
  metadata,
});

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
    const recorded = { ...weights, metadata: { preprocessing: JSON.stringify(given) } };
    expect((await identify({ model, weights: recorded })).preprocessing).toEqual(given);
    expect((await identify({ model, weights })).preprocessing).toEqual(variants.cifar_resnet20.preprocessing);
    const changed = await identify({ model, weights: recorded, preprocessing: { crop: 28 } });
    expect(changed.preprocessing).toEqual({ ...given, crop: 28 });
    expect(bindModel(changed).graph.inputs.image.shape).toEqual(["N", 3, 28, 28]);
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
