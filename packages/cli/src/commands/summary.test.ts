import { describe, expect, it } from "vitest";
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
    expect(Object.keys(summary)).toEqual(["model", "input", "output", "parameters", "macs", "layers"]);
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

it("prints aligned columns for people, layer by layer", async () => {
  const { stdout, stderr } = await succeed(["summary", "resnet18"]);
  expect(stderr).toBe("");
  const [heading, blank, ...rows] = stdout.trimEnd().split("\n");
  expect(heading).toBe("resnet18  1×3×224×224 -> 1×1000  11,689,512 parameters, 1,814,073,344 multiply-adds");
  expect(blank).toBe("");
  expect(rows[0]).toMatch(/^layer +op +output +parameters +multiply-adds$/);
  expect(rows[1]).toMatch(/^conv1 +conv2d +1×64×112×112 +9,408 +118,013,952$/);
  expect(new Set(rows.map((row) => row.length)).size, "numbers end in one column").toBe(1);
});
