import { reference, type Tensor } from "@residual/core";
import { expect, it } from "vitest";
import { graphOf, isForward } from "../../suite/golden-ops.ts";
import { type FloatTensor, type OpGolden, opGoldens, opTensors } from "../../suite/goldens.ts";
import { expectWithin, largest, relativeError } from "./compare.ts";

/**
 * Allowed share of the largest value. The reference sums in float64, in another order than PyTorch. 1e-10 is far above
 * the resulting difference and far below any other.
 */
const CLOSE = 1e-10;

const goldens = await opGoldens();
const forward = goldens.filter(isForward);

it("every forward case is here", () => {
  expect(forward.length).toBe(goldens.filter(({ op }) => !/grad|train|sgd|cross_entropy/.test(op)).length);
});

it.each(forward.map((golden) => [golden.id, golden] as const))("the reference: %s", async (id, golden) => {
  const tensors = await opTensors(golden.file);
  const named = (entries: OpGolden["inputs"]): { [name: string]: FloatTensor } =>
    Object.fromEntries(Object.entries(entries).map(([name, { tensor }]) => [name, tensors.get(tensor)!]));
  const [given, expected] = [named(golden.inputs), named(golden.outputs).y!];
  const graph = graphOf(golden, given);
  await using executable = await reference.compile(graph);
  const inputs: { [name: string]: Tensor<"float32"> } = {};
  for (const name of Object.keys(graph.inputs)) inputs[name] = given[name]! as Tensor<"float32">;
  const { y } = await executable.run(inputs);
  expect(y!.shape).toEqual(expected.shape);
  expectWithin(id, relativeError(y!.data, expected.data, largest(expected.data)), CLOSE);
});
