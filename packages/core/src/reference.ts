import type { Backend } from "./backend.ts";
import { throwIfAborted, UnsupportedError } from "./ir/errors.ts";
import { type Graph, inputsOf, nodesOf, variablesOf } from "./ir/graph.ts";
import { spentAfter } from "./ir/liveness.ts";
import { checkMemory, memoryError } from "./ir/memory.ts";
import { readFloat64 } from "./ir/source.ts";
import { sizeOf, type Tensor, tensorOf, toFloat64 } from "./ir/tensor.ts";
import { type AnyNode, concrete, type Value, type Variable } from "./ir/value.ts";
import { evaluateOp, macsOf } from "./ops/nodes.ts";
import { backendOf, type LoadedGraph, type RunOptions, runOf } from "./shell.ts";
import { version } from "./version.ts";

/**
 * The simplest backend, to which the others are compared: each op's own float64 evaluation, one node after the other.
 * Every sum runs in its natural order in one accumulator. Outputs are float64 tensors. It is the only backend that does
 * not optimize, since passes are compared to it too.
 *
 * About 0.8·10⁹ multiply-adds per second on one core (Node 24, x86-64): ResNet-18 at 224 × 224 takes 2.2 s.
 */
export const reference: Backend<"float64"> = backendOf({
  name: "reference",
  describe: async () => ({ library: "@residual/core", version, device: "cpu", dtypes: ["float64"] }),
  load: async (graph) => new Interpreter(graph),
  pass: (graph) => graph,
});

class Interpreter implements LoadedGraph<"float64"> {
  readonly #graph: Graph;
  readonly #nodes: readonly AnyNode[];
  /** For each node, the values that no later node reads. */
  readonly #spent: readonly (readonly Value[])[];
  /** Current values of variables. Variables that no run has changed are read from their sources. */
  readonly #state = new Map<Variable, Tensor<"float64">>();
  /** Values of the variables once the last run is committed. */
  #next: (readonly [Variable, Tensor<"float64">])[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#nodes = nodesOf(graph);
    const steps = this.#nodes.map((node) => ({ reads: inputsOf(node), writes: node }));
    this.#spent = spentAfter<Value>(steps, [
      ...Object.values(graph.outputs),
      ...graph.updates.map(({ value }) => value),
    ]);
  }

  async run(
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { batch, signal, onProgress }: RunOptions,
  ): Promise<{ [name: string]: Tensor<"float64"> }> {
    checkMemory(this.#bytes(batch), `reference: ${runOf(this.#graph, batch)}`, WAY_OUT);
    const known = new Map<Value, Tensor<"float64">>();
    for (const [name, input] of Object.entries(this.#graph.inputs)) known.set(input, toFloat64(inputs[name]!));
    let work = 0;
    for (const [done, node] of this.#nodes.entries()) {
      throwIfAborted(signal);
      known.set(node, await this.#evaluate(node, known, batch));
      for (const value of this.#spent[done]!) known.delete(value);
      work += macsOf(node, batch);
      if (work > MACS_BETWEEN_PAUSES) {
        work = 0;
        onProgress?.({ stage: "run", done, total: this.#nodes.length });
        await pause();
      }
    }
    return this.#finish(known);
  }

  /** Peak memory of a run, in bytes: a lower bound, without the temporary memory of ops. */
  #bytes(batch: number): number {
    const float64Bytes = ({ shape }: Value) => 8 * sizeOf(concrete(shape, batch));
    let held = Object.values<Value>(this.#graph.inputs).reduce((sum, value) => sum + float64Bytes(value), 0);
    let most = held;
    for (const [done, node] of this.#nodes.entries()) {
      held += float64Bytes(node);
      most = Math.max(most, held);
      for (const value of this.#spent[done]!)
        if (value.kind === "node" || value.kind === "input") held -= float64Bytes(value);
    }
    return most;
  }

  /** Outputs and updates read the variables from before the run. Outputs are copies: the caller may write into them. */
  async #finish(known: ReadonlyMap<Value, Tensor<"float64">>): Promise<{ [name: string]: Tensor<"float64"> }> {
    const { outputs, updates } = this.#graph;
    const answers: { [name: string]: Tensor<"float64"> } = {};
    for (const [name, value] of Object.entries<Value>(outputs))
      answers[name] = copyOf(await this.#tensor(value, known));
    this.#next = [];
    for (const { variable, value } of updates) this.#next.push([variable, await this.#tensor(value, known)]);
    return answers;
  }

  commit(): void {
    for (const [variable, tensor] of this.#next) this.#state.set(variable, tensor);
    this.#next = [];
  }

  async #evaluate(
    node: AnyNode,
    known: ReadonlyMap<Value, Tensor<"float64">>,
    batch: number,
  ): Promise<Tensor<"float64">> {
    const shape = concrete(node.shape, batch);
    const inputs: { [name: string]: Tensor<"float64"> } = {};
    try {
      for (const [name, value] of Object.entries(node.inputs)) inputs[name] = await this.#tensor(value, known);
      return tensorOf("float64", shape, evaluateOp(node, inputs, shape));
    } catch (error) {
      throw memoryError(error, `reference: ${node.name} in ${runOf(this.#graph, batch)}`, WAY_OUT);
    }
  }

  /** Constants are widened to float64 when they are read, and not kept: keeping all would double a model's memory. */
  async #tensor(value: Value, known: ReadonlyMap<Value, Tensor<"float64">>): Promise<Tensor<"float64">> {
    const found = known.get(value) ?? (value.kind === "variable" ? this.#state.get(value) : undefined);
    if (found) return found;
    if (value.kind === "constant" || value.kind === "variable") return readFloat64(value.source);
    throw new UnsupportedError(`reference: ${value.name} has no value`);
  }

  async read(names: readonly string[]): Promise<{ [name: string]: Tensor<"float64"> }> {
    const answers: { [name: string]: Tensor<"float64"> } = {};
    for (const variable of variablesOf(this.#graph)) {
      if (!names.includes(variable.name)) continue;
      answers[variable.name] = copyOf(await this.#tensor(variable, new Map()));
    }
    return answers;
  }

  async dispose(): Promise<void> {
    this.#state.clear();
  }
}

const WAY_OUT = "take a smaller batch or image";

/** About 50 ms of work, after which timers and aborts get a turn. */
const MACS_BETWEEN_PAUSES = 5e7;

/** The only platform function that core uses; browsers, Node, Deno and Bun have it. */
declare function setTimeout(callback: () => void, milliseconds: number): unknown;

function copyOf({ shape, data }: Tensor<"float64">): Tensor<"float64"> {
  return tensorOf("float64", shape, data.slice());
}

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
