import {
  type AnyNode,
  fillWhole,
  type Graph,
  graph,
  input,
  ops,
  reference,
  type Tensor,
  type Value,
  variable,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import type { WebgpuBackend } from "../index.ts";

interface Layer {
  /** The image's shape. */
  readonly x: readonly number[];
  readonly weight: readonly number[];
  readonly stride?: number;
  readonly groups?: number;
}

/** At least one layer for each family of kernels. */
const layers: { readonly [name: string]: Layer } = {
  "1 × 1": { x: [2, 16, 12, 12], weight: [32, 16, 1, 1] },
  "1 × 1 of odd sizes": { x: [1, 6, 5, 5], weight: [7, 6, 1, 1] },
  "3 × 3": { x: [1, 64, 24, 24], weight: [68, 64, 3, 3] },
  "3 × 3, two down": { x: [1, 20, 16, 16], weight: [36, 20, 3, 3], stride: 2 },
  "3 × 3 in groups of 4": { x: [1, 32, 16, 16], weight: [32, 4, 3, 3], groups: 8 },
  "3 × 3 in groups of 8, two down": { x: [1, 32, 16, 16], weight: [32, 8, 3, 3], groups: 4, stride: 2 },
  "3 × 3 in groups of 3": { x: [1, 6, 8, 8], weight: [6, 3, 3, 3], groups: 2 },
  "7 × 7 of 3 channels, two down": { x: [1, 3, 32, 32], weight: [64, 3, 7, 7], stride: 2 },
  linear: { x: [3, 20], weight: [10, 20] },
};

function applied({ stride = 1, groups = 1 }: Layer, x: Value, weight: Value, bias: Value): AnyNode {
  if (weight.shape.length === 2) return ops.linear({ x, weight, bias });
  const [, , window] = weight.shape as readonly number[];
  return ops.conv2d({ x, weight, bias }, { stride, groups, padding: (window! - 1) / 2 });
}

/** A tensor of the numbers −1, 0 and 1. */
export function pattern(shape: readonly number[], seed: number): Tensor<"float32"> {
  return fillWhole("pattern", String(seed), shape, -1, 1);
}

/**
 * Asserts that results equal the reference's, which are whole numbers here. Sums of whole numbers are exact in float32.
 * Sums of Winograd's F(4, 3) over 16 channels are off by at most γ₃₈·48²·16 = 0.08 (docs/tolerances.md): along an axis
 * a sum of |Aᵀ|·(|G|·1)⊙(|Bᵀ|·1) is at most 48.
 */
export function expectAnswers(found: NamedTensors, expected: NamedTensors): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(found[name]!.shape).toEqual(shape);
    const differences = [...data].map((value, i) => Math.abs(Number(found[name]!.data[i]) - Number(value)));
    expect(
      differences.reduce((most, each) => Math.max(most, each), 0),
      name,
    ).toBeLessThan(0.1);
  }
}

type NamedTensors = { readonly [name: string]: Tensor };

/**
 * Asserts that a backend's results and variables equal the reference's after each run. Returns the names of its
 * programs.
 */
export async function expectRunsAlike(
  backend: WebgpuBackend,
  of: Graph,
  runs: readonly { [name: string]: Tensor<"float32"> }[],
): Promise<readonly string[]> {
  await using ours = await backend.compile(of);
  await using exact = await reference.compile(of);
  for (const inputs of runs) expectAnswers(await ours.run(inputs), await exact.run(inputs));
  const names = of.updates.map(({ variable }) => variable.name);
  expectAnswers(await ours.read(names), await exact.read(names));
  return ours.programs.map(({ name }) => name);
}

/**
 * A layer whose weight and bias are variables. Inputs replace them after each run. If `isComputed`, the layer uses the
 * sum of the weight and an input.
 */
export function learning(
  name: string,
  layer: Layer,
  isComputed: boolean,
): { of: Graph; inputs: (run: number) => { [name: string]: Tensor<"float32"> } } {
  const outputs = layer.weight[0]!;
  const weight = variable("weight", pattern(layer.weight, 1));
  const bias = variable("bias", pattern([outputs], 2));
  const [x, nextWeight, nextBias] = [
    input("x", layer.x),
    input("nextWeight", layer.weight),
    input("nextBias", [outputs]),
  ];
  const used = isComputed ? ops.add({ a: weight, b: nextWeight }) : weight;
  const of = graph({
    name,
    inputs: { x, nextWeight, nextBias },
    outputs: { y: applied(layer, x, used, bias) },
    updates: [
      { variable: weight, value: nextWeight },
      { variable: bias, value: nextBias },
    ],
  });
  const inputs = (run: number) => ({
    x: pattern(layer.x, 10 * run + 3),
    nextWeight: pattern(layer.weight, 10 * run + 4),
    nextBias: pattern([outputs], 10 * run + 5),
  });
  return { of, inputs };
}

/** Tests that results follow variables from run to run, and that each pattern matches a kernel that ran. */
export function followsVariables(name: string, backend: WebgpuBackend, kinds: readonly RegExp[]): void {
  describe(`weights that are variables: ${name}`, () => {
    const used = new Set<string>();
    for (const isComputed of [false, true]) {
      it.each(Object.entries(layers))(`%s${isComputed ? ", of a sum" : ""}`, async (name, layer) => {
        const { of, inputs } = learning(name, layer, isComputed);
        for (const program of await expectRunsAlike(backend, of, [1, 2, 3].map(inputs))) used.add(program);
      });
    }

    it("ran on kernels of all kinds", () => {
      for (const kind of kinds) expect([...used]).toContainEqual(expect.stringMatching(kind));
    });
  });
}
