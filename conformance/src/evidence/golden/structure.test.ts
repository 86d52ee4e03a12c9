import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { modelNames, parametersOf, type ResNetSpec, resnet, summarize, valuesOf, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { modelName } from "../../suite/goldens.ts";

/** A tensor of a case: its name, its shape and its role in the hash fill. */
type Listed = readonly [name: string, shape: readonly number[], role: string];

interface StructureGolden {
  readonly id: string;
  readonly input: readonly number[];
  readonly params: number;
  readonly macs: { readonly total: number };
  readonly stages: { readonly [stage: string]: readonly number[] };
  /** Parameters and statistics, and leaf modules in execution order. A short file has digests of both lists instead. */
  readonly stateDict?: readonly Listed[];
  readonly layers?: readonly (readonly [name: string, type: string, shape: readonly number[]])[];
  readonly stateDictSha256?: string;
  readonly layersSha256?: string;
}

const folder = new URL("../../../golden/structure/", import.meta.url);
const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T;

function structureGoldens(): readonly StructureGolden[] {
  const files = readdirSync(folder).filter((file) => file !== "index.json");
  return files.map((file) => read<StructureGolden>(file));
}

const goldens = structureGoldens();
const index = read<{ models: StructureGolden[] }>("index.json").models;

const specOf = (id: string): ResNetSpec => variants[modelName(id)];

/** SHA-256 of the rows, joined by line feeds. */
const sha256 = (rows: readonly string[]): string => createHash("sha256").update(rows.join("\n")).digest("hex");

/** The op for each type of PyTorch module. */
const kinds: { readonly [type: string]: string } = {
  Conv2d: "conv2d",
  KerasConv: "conv2d",
  BatchNorm2d: "batchNorm",
  Linear: "linear",
};

it("every model of the table has a file, and every file is in the index", () => {
  expect(new Set(goldens.map(({ id }) => modelName(id)))).toEqual(new Set(modelNames));
  expect(index.map(({ id }) => id).sort()).toEqual(goldens.map(({ id }) => id).sort());
});

describe.each(goldens.map((golden) => [golden.id, golden] as const))("%s", (id, golden) => {
  const model = resnet(specOf(id), { input: golden.input });
  const summary = summarize(model);

  it("has PyTorch's keys and shapes, in its order", () => {
    const rows = parametersOf(model).map(({ name, shape }) => `${name} ${shape}`);
    if (!golden.stateDict) return expect(sha256(rows)).toBe(golden.stateDictSha256);
    const listed = golden.stateDict.filter(([, , role]) => role !== "num_batches_tracked");
    expect(rows).toEqual(listed.map(([name, shape]) => `${name} ${shape}`));
  });

  it("has PyTorch's number of parameters and multiply-adds", () => {
    expect(summary.parameters).toBe(golden.params);
    expect(summary.macs).toBe(golden.macs.total);
  });

  it("has PyTorch's stages, in their shapes", () => {
    const shapes = new Map(valuesOf(model).map(({ name, shape }) => [name, shape]));
    for (const [stage, shape] of Object.entries(golden.stages)) {
      expect([stage, shapes.get(model.aliases[stage] ?? stage)]).toEqual([stage, shape]);
    }
  });

  it("has PyTorch's convolutions, norms and linear layers, in their shapes", () => {
    const rows = summary.layers
      .filter(({ op }) => Object.values(kinds).includes(op))
      .map(({ name, op, shape }) => `${name} ${op} ${shape}`)
      .sort();
    if (!golden.layers) return expect(sha256(rows)).toBe(golden.layersSha256);
    const listed = golden.layers.filter(([, type]) => type in kinds);
    expect(rows).toEqual(listed.map(([name, type, shape]) => `${name} ${kinds[type]} ${shape}`).sort());
  });
});

it.each(index.map((golden) => [golden.id, golden] as const))("%s has the index's numbers", (id, golden) => {
  const { parameters, macs } = summarize(resnet(specOf(id), { input: golden.input }));
  expect({ parameters, macs }).toEqual({ parameters: golden.params, macs: golden.macs.total });
});
