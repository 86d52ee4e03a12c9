import { type Answer, type Backend, checkInputs, type Executable, type WorkOptions } from "./backend.ts";
import { throwIfAborted, UnsupportedError } from "./ir/errors.ts";
import { type Graph, inputsOf, parametersOf, usesOf, valuesOf } from "./ir/graph.ts";
import { type Tensor, tensorOf, toFloat64 } from "./ir/tensor.ts";
import { type AnyNode, concrete, type Value } from "./ir/value.ts";
import { opOf } from "./ops/nodes.ts";
import { macsOf } from "./summary.ts";
import { version } from "./version.ts";

/**
 * The plainest backend, and the one the others are held against: each op's own float64 evaluation, one node after the
 * other. Every sum runs in its natural order in one accumulator. Answers are float64 tensors.
 *
 * Some 0.8·10⁹ multiply-adds a second on one core (Node 24, x86-64): ResNet-18 at 224 × 224 takes 2.2 s.
 */
export const reference: Backend = {
  name: "reference",
  describe: async () => ({ library: "@residual/core", version, device: "cpu", dtypes: ["float64"] }),
  compile: async (graph, { signal } = {}) => {
    throwIfAborted(signal);
    const open = parametersOf(graph);
    if (open.length > 0) {
      throw new UnsupportedError(
        `reference: ${open.length} parameters of ${graph.name} are open (${open[0]!.name}, …); bind them first`,
      );
    }
    return executable(graph);
  },
};

function executable<In extends string, Out extends string>(graph: Graph<In, Out>): Executable<In, Out> {
  let disposed = false;
  const dispose = async () => {
    disposed = true;
  };
  return {
    async run(inputs, options = {}) {
      if (disposed) throw new UnsupportedError("reference: run after dispose; compile the graph again");
      return evaluate(graph, inputs, options);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

async function evaluate<In extends string, Out extends string>(
  graph: Graph<In, Out>,
  inputs: { readonly [K in In]: Tensor<"float32"> },
  { signal, onProgress }: WorkOptions,
): Promise<{ [K in Out]: Answer }> {
  const batch = checkInputs(graph, inputs);
  const given: { readonly [name: string]: Tensor<"float32"> } = { ...inputs };
  const values = valuesOf(graph);
  const pending = new Map(usesOf(graph));
  const known = new Map<Value, Tensor<"float64">>();
  let work = 0;
  for (const [done, value] of values.entries()) {
    throwIfAborted(signal);
    if (value.kind === "input") known.set(value, toFloat64(given[value.name]!));
    if (value.kind !== "node") continue;
    known.set(value, evaluateNode(value, known, batch));
    for (const input of inputsOf(value)) release(input, pending, known);
    work += macsOf(value, batch);
    if (work > MACS_BETWEEN_PAUSES) {
      work = 0;
      onProgress?.({ stage: "run", done, total: values.length });
      await pause();
    }
  }
  const answers = Object.entries<Value>(graph.outputs).map(([name, value]) => [name, known.get(value) ?? leaf(value)]);
  return Object.fromEntries(answers) as { [K in Out]: Answer };
}

function evaluateNode(node: AnyNode, known: ReadonlyMap<Value, Tensor<"float64">>, batch: number): Tensor<"float64"> {
  const shape = concrete(node.shape, batch);
  const inputs = Object.fromEntries(
    Object.entries(node.inputs).map(([name, value]) => [name, known.get(value) ?? leaf(value)]),
  );
  return tensorOf("float64", shape, opOf(node).evaluate(inputs, node.attributes, shape));
}

/** Constants are widened where they are read, and not kept: all of them at once would double a model's memory. */
function leaf(value: Value): Tensor<"float64"> {
  if (value.kind !== "constant") throw new UnsupportedError(`reference: ${value.name} has no value`);
  return toFloat64(value.tensor);
}

/** Forgets a value after its last use. */
function release(value: Value, pending: Map<Value, number>, known: Map<Value, unknown>): void {
  const left = pending.get(value)! - 1;
  pending.set(value, left);
  if (left === 0) known.delete(value);
}

/** About 50 ms of work, so that timers and an abort get their turn. */
const MACS_BETWEEN_PAUSES = 5e7;

/** The one thing of the platform that core touches; browsers, Node, Deno and Bun all have it. */
declare function setTimeout(callback: () => void, milliseconds: number): unknown;

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
