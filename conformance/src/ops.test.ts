import type { Backend } from "@residual/core";
import { readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { backends } from "./backends.ts";
import { expectWithin, largest, relativeError } from "./compare.ts";
import { graphOf, isForward } from "./golden-ops.ts";
import { type FloatTensor, type OpGolden, opFile, opGoldens } from "./goldens.ts";

/**
 * The reference sums in float64, in another order than PyTorch: 1e-10 of the largest value is far above that and far
 * below anything else. float32 has 2⁻²⁴ per operation; the longest sum of these cases has 2,304 products, whose rounding
 * errors of either sign reach a few times √2304 · 2⁻²⁴ = 3e-6.
 */
const bounds: { readonly [backend: string]: number } = { reference: 1e-10, onnx: 1e-5 };

const forward = opGoldens().filter(isForward);

it("every forward case is here", () => {
  expect(forward.length).toBe(opGoldens().filter(({ op }) => !/grad|train|sgd|cross_entropy/.test(op)).length);
});

describe.each(Object.entries(backends))("%s", (name, backend) => {
  it.each(forward.map((golden) => [golden.id, golden] as const))("%s", async (id, golden) => {
    const expected = (await tensorsOf(golden, golden.outputs)).y!;
    const found = await run(backend, golden);
    expect(found.shape).toEqual(expected.shape);
    expectWithin(id, relativeError(found.data, expected.data, largest(expected.data)), bounds[name]!);
  });
});

async function tensorsOf(golden: OpGolden, entries: OpGolden["inputs"]): Promise<{ [name: string]: FloatTensor }> {
  const { tensors } = await readWeights(opFile(golden.file));
  return Object.fromEntries(
    Object.entries(entries).map(([name, { tensor }]) => [name, tensors.get(tensor) as FloatTensor]),
  );
}

async function run(backend: Backend, golden: OpGolden): Promise<FloatTensor> {
  const tensors = await tensorsOf(golden, golden.inputs);
  const graph = graphOf(golden, tensors);
  await using executable = await backend.compile(graph);
  const inputs = Object.fromEntries(Object.keys(graph.inputs).map((name) => [name, tensors[name]!]));
  return (await executable.run(inputs as never)).y as FloatTensor;
}
