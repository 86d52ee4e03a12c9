import { type Answer, type Graph, mapValues, nodesOf, type OpName, type Tensor, toFloat64 } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { composedBound } from "../bounds.ts";
import { checkOf, heldAgainst, misshapen } from "../check.ts";
import { graphOf, isForward } from "../golden-ops.ts";
import { type FloatTensor, type OpGolden, opGoldens, opTensors } from "../goldens.ts";
import { type BackendUnderTest, counted, type Task } from "../task.ts";
import { indexOf, runTrials, type Trial } from "../trial.ts";

/** Single operators, with PyTorch's float64 answers. */
export const goldenOpsTask: Task = { level: "ops", name: "PyTorch's answers", run: checksOf };

async function* checksOf(held: BackendUnderTest): AsyncGenerator<Check> {
  const goldens = (await opGoldens(held.goldens)).filter(isForward);
  yield* counted(checks(held, goldens), goldens.length, held);
}

async function* checks(held: BackendUnderTest, goldens: readonly OpGolden[]): AsyncGenerator<Check> {
  const files = [...new Set(goldens.map(({ file }) => file))];
  const read = files.map(async (file) => [file, await opTensors(file, held.goldens)] as const);
  const tensors = new Map(await Promise.all(read));
  const cases = goldens.map((golden) => caseOf(golden, tensors.get(golden.file)!));
  const alone = cases.filter(({ graph }) => nodesOf(graph).length === 1).map(trialOf);
  for await (const outcome of runTrials(held.backend, alone, held.arithmetic, held.work)) yield checkOf(outcome);
  for (const each of cases.filter(({ graph }) => nodesOf(graph).length > 1)) yield await checkInARow(held, each);
}

interface Case {
  readonly id: string;
  readonly graph: Graph;
  readonly given: { readonly [name: string]: FloatTensor };
  readonly expected: FloatTensor;
}

function caseOf(golden: OpGolden, tensors: ReadonlyMap<string, FloatTensor>): Case {
  const named = (entries: OpGolden["inputs"]): Case["given"] =>
    Object.fromEntries(Object.entries(entries).map(([name, { tensor }]) => [name, tensors.get(tensor)!]));
  const given = named(golden.inputs);
  return { id: golden.id, graph: graphOf(golden, given), given, expected: named(golden.outputs).y! };
}

/** A case of one op. */
function trialOf({ id, graph, given, expected }: Case): Trial {
  const [node] = nodesOf(graph);
  const inputs = Object.entries(node!.inputs).map(
    ([name, value]) => [name, given[value.name] as Tensor<"float32">] as const,
  );
  const constants = Object.entries(node!.inputs).filter(([, { kind }]) => kind === "constant");
  return {
    name: id,
    op: node!.op as OpName,
    attributes: node!.attributes,
    inputs: Object.fromEntries(inputs),
    constants: new Set(constants.map(([name]) => name)),
    answer: toFloat64(expected),
  };
}

/** A case of two ops in a row. */
async function checkInARow(
  { backend, arithmetic, work }: BackendUnderTest,
  { id, graph, given, expected }: Case,
): Promise<Check> {
  const inputs = mapValues(graph.inputs, (_, name) => given[name] as Tensor<"float32">);
  const { bound } = composedBound(graph.outputs.y!, inputs, arithmetic);
  await using executable = await backend.compile(graph, work);
  const { y } = (await executable.run(inputs, work)) as { y: Answer };
  const of = { name: id, op: nodesOf(graph)[0]!.op };
  if (y.shape.join() !== expected.shape.join()) return misshapen(of, y.shape, expected.shape);
  return heldAgainst(of, { found: y.data, expected: expected.data, bound, indexAt: (at) => indexOf(at, y.shape) });
}
