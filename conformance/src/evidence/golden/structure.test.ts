import { readdirSync, readFileSync } from "node:fs";
import { parametersOf, type ResNetSpec, resnet, summarize, valuesOf, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { modelName } from "../../suite/goldens.ts";

/** A tensor of a case: its name, shape and role in the hash fill. */
type Listed = readonly [name: string, shape: readonly number[], role: string];

interface StructureGolden {
  readonly id: string;
  readonly input: readonly number[];
  readonly params: number;
  readonly macs: { readonly total: number };
  readonly stages: { readonly [stage: string]: readonly number[] };
  readonly stateDict: readonly Listed[];
  /** Leaf modules in the order they run: name, type, output shape. */
  readonly layers: readonly (readonly [name: string, type: string, shape: readonly number[]])[];
}

const folder = new URL("../../../golden/structure/", import.meta.url);
const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T;

function structureGoldens(): readonly StructureGolden[] {
  const files = readdirSync(folder).filter((file) => file !== "index.json");
  return files.map((file) => read<StructureGolden>(file));
}

/** All models of the index, the two that have no file of their own among them. */
function structureIndex(): readonly Omit<StructureGolden, "stages" | "stateDict" | "layers">[] {
  return read<{ models: Omit<StructureGolden, "stages" | "stateDict" | "layers">[] }>("index.json").models;
}

const specOf = (id: string): ResNetSpec => variants[modelName(id)];

describe.each(structureGoldens().map((golden) => [golden.id, golden] as const))("%s", (id, golden) => {
  const model = resnet(specOf(id), { input: golden.input });
  const summary = summarize(model);

  it("has PyTorch's keys and shapes, in its order", () => {
    const expected = golden.stateDict.filter(([, , role]) => role !== "num_batches_tracked");
    expect(parametersOf(model).map(({ name, shape }) => [name, shape])).toEqual(
      expected.map(([name, shape]) => [name, shape]),
    );
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
    const kinds: { [type: string]: string } = {
      Conv2d: "conv2d",
      KerasConv: "conv2d",
      BatchNorm2d: "batchNorm",
      Linear: "linear",
    };
    const rows = golden.layers
      .filter(([, type]) => type in kinds)
      .map(([name, type, shape]) => `${name} ${kinds[type]} ${shape}`);
    const own = summary.layers
      .filter(({ op }) => Object.values(kinds).includes(op))
      .map(({ name, op, shape }) => `${name} ${op} ${shape}`);
    expect(own.sort()).toEqual(rows.sort());
  });
});

it.each(structureIndex().map((golden) => [golden.id, golden] as const))("%s has the index's numbers", (id, golden) => {
  const { parameters, macs } = summarize(resnet(specOf(id), { input: golden.input }));
  expect({ parameters, macs }).toEqual({ parameters: golden.params, macs: golden.macs.total });
});
