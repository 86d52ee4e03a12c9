import { fixtureWeights, resnet, variants } from "@residual/core";
import { writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { golden } from "../testing/golden.ts";
import { document, succeed } from "../testing/residual.ts";

interface Layer {
  readonly name: string;
  readonly op: string;
  readonly shape: readonly (number | "N")[];
  readonly parameters: number;
  readonly macs: number;
}

interface Summary extends Omit<Layer, "name" | "op" | "shape"> {
  readonly model: string;
  readonly input: readonly (number | "N")[];
  readonly output: readonly (number | "N")[];
  readonly layers: readonly Layer[];
}

interface Structure {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly params: number;
  readonly macs: { readonly total: number };
  readonly layers: readonly (readonly [name: string, type: string, shape: readonly number[]])[];
}

/** Modules with parameters, whose names are ours too. */
const named = /^(Conv2d|BatchNorm2d|Linear)$/;

describe("against PyTorch's structures", () => {
  it.each(["resnet50", "cifar_preact164", "seed002_keras", "timm_seresnext50_32x4d"])("%s", async (id) => {
    const structure = golden<Structure>(`structure/${id}.json`);
    const model = id.replace(/^timm_/, "");
    const summary = await document<Summary>(["summary", model]);
    expect(Object.keys(summary)).toEqual(["model", "input", "output", "parameters", "macs", "memory", "layers"]);
    const { params, macs, input, output } = structure;
    expect(summary).toMatchObject({ model, input, output, parameters: params, macs: macs.total });
    const ours = new Map(summary.layers.map(({ name, shape }) => [name, shape]));
    const theirs = structure.layers.filter(([, type]) => named.test(type));
    expect(theirs.length).toBeGreaterThan(25);
    expect(theirs.map(([name]) => [name, ours.get(name)])).toEqual(theirs.map(([name, , shape]) => [name, shape]));
  });
});

it("takes another input: multiply-adds grow with it, parameters do not", async () => {
  const summary = await document<Summary>(["summary", "resnet50", "--input", "8x3x96x96"]);
  expect(summary).toMatchObject({ input: [8, 3, 96, 96], output: [8, 1000], parameters: 25557032 });
  expect(summary.layers[0]).toEqual({
    name: "conv1",
    op: "conv2d",
    shape: [8, 64, 48, 48],
    parameters: 64 * 3 * 7 * 7,
    macs: 8 * 48 * 48 * 64 * 3 * 7 * 7,
  });
});

it("leaves a batch open where asked to", async () => {
  const { input, output } = await document<Summary>(["summary", "cifar_resnet20", "--input", "Nx3x32x32"]);
  expect([input, output]).toEqual([
    ["N", 3, 32, 32],
    ["N", 10],
  ]);
});

it("shows a model as weights fit it", async () => {
  const { model, parameters } = await document<Summary>(["summary", "cifar_resnet20", "--weights", "resnet20-cifar10"]);
  expect([model, parameters]).toEqual(["cifar_resnet20", 269722]); // the card of the weights
});

const folder = temporaryFolder();

it.each([
  [[], [1, 1, 32, 32]],
  [
    ["--input", "Nx1x48x40"],
    ["N", 1, 48, 40],
  ],
])("%j: shows as many channels and classes as weights have", async (words, shape) => {
  const file = folder.in("one-channel.safetensors");
  const graph = resnet({ ...variants.cifar_resnet20, inputChannels: 1, classes: 3 });
  await writeSafetensors(file, fixtureWeights(graph, "v1").tensors);
  const found = await document<Summary>(["summary", "cifar_resnet20", "--weights", file, ...words]);
  expect([found.input, found.output]).toEqual([shape, [shape[0], 3]]);
  // 16 filters of 9 numbers for two channels less, 65 numbers for each of seven classes less
  expect(found.parameters).toBe(269722 - 16 * 9 * 2 - 65 * 7);
});

it("says the memory of weights and activations, in bytes", async () => {
  // by hand: two convolutions with bias, two norms, two ReLUs and a sum, of 8 × 8 × 8 numbers each
  const { memory } = await document<{ readonly memory: unknown }>(["summary", "pytorch_unit_s1_id"]);
  const image = 4 * 8 * 8 * 8;
  const weights = 2 * (8 * 8 * 3 * 3 + 8) + 2 * 4 * 8;
  expect(memory).toEqual({ input: image, parameters: 4 * weights, activations: 7 * image, peak: 3 * image });
});

describe("for people", () => {
  const lines = async (...words: string[]) => (await succeed(["summary", ...words])).stdout.trimEnd().split("\n");

  it("is a tree that fits a screen, repeated blocks in one row, and totals", async () => {
    const [heading, blank, ...rows] = await lines("resnet50");
    expect([heading, blank]).toEqual(["resnet50  1×3×224×224 -> 1×1000", ""]);
    expect(rows.length).toBeLessThanOrEqual(32);
    const end = rows.indexOf("");
    expect(rows.slice(0, 8)).toEqual([
      "layer           op                 output        parameters  multiply-adds",
      "stem            4 layers           1×64×56×56         9,536        118.0 M",
      "├ conv1         conv2d             1×64×112×112       9,408        118.0 M",
      "├ bn1           batchNorm          1×64×112×112         128              0",
      "├ relu          relu               1×64×112×112           0              0",
      "└ maxpool       maxPool2d          1×64×56×56             0              0",
      "layer1          32 layers          1×256×56×56      215,808        667.9 M",
      "├ layer1.0      12 layers          1×256×56×56       75,008        231.2 M",
    ]);
    expect(rows[8]).toMatch(/^└ layer1\.1 … 2 {2}2 × 10 layers/);
    expect(rows.slice(end + 1)).toEqual([
      "parameters          25,557,032",
      "multiply-adds    4,089,184,256",
      "input                     0.60 MB  float32, as all below",
      expect.stringMatching(/^weights +102\.44 MB /),
      expect.stringMatching(/^activations +150\.25 MB /),
      expect.stringMatching(/^peak +9\.63 MB /),
    ]);
  });

  it.each([
    [1, ["stem", "layer1", "layer2", "layer3", "layer4", "avgpool", "flatten", "fc"]],
    [4, ["stem", "├ conv1", "├ bn1", "├ relu", "└ maxpool", "layer1", "├ layer1.0", "│ ├ conv1"]],
  ])("opens down to --depth %i", async (depth, names) => {
    const rows = await lines("seresnet50", "--depth", String(depth));
    expect(rows.slice(3, 3 + names.length).map((row) => row.split(/ {2,}(?![├└│])/)[0])).toEqual(names);
    expect(rows.includes("│ │ └ downsample.1  batchNorm          1×256×56×56          512              0")).toBe(
      depth > 3,
    );
  });

  it.each(["resnet200d", "seresnext50_32x4d", "wide_resnet101_2", "cifar_preact1001", "paddle_unit_sequential"])(
    "%s fits 80 columns, with every layer too",
    async (model) => {
      for (const words of [[], ["--depth", "9"]]) {
        for (const line of await lines(model, ...words)) expect(line.length, line).toBeLessThanOrEqual(80);
      }
    },
  );
});
