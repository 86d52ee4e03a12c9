import {
  type Answer,
  type AnyNode,
  type Backend,
  checkInputs,
  concrete,
  type Executable,
  type Graph,
  inputsOf,
  type OpName,
  ops,
  parametersOf,
  type Rules,
  rewrite,
  type Tensor,
  tensorOf,
  throwIfAborted,
  toFloat64,
  UnsupportedError,
  usesOf,
  type Value,
  valuesOf,
  type WorkOptions,
} from "@residual/core";

export type Inputs = { readonly [input: string]: Tensor<"float32"> };

/** What a node answers, rounded to float32. Attributes are those of the op. */
export type Kernel = (inputs: Inputs, attributes: never, shape: readonly number[]) => Float32Array;

/** What is known while a graph runs, for bugs that lie between the nodes. */
export interface Running {
  readonly graph: Graph;
  readonly known: Map<Value, Tensor<"float32">>;
  readonly batch: number;
}

/** Where a bug can be planted. */
export interface Bugs {
  /** The graph is read otherwise. */
  readonly rules?: Rules;
  readonly kernels?: { readonly [Name in OpName]?: Kernel };
  /** After each node, whose answer is known by then. */
  readonly after?: (node: AnyNode, running: Running) => void;
  readonly check?: (graph: Graph, inputs: Inputs) => number;
  readonly executable?: (honest: Executable, graph: Graph) => Executable;
}

/** The plain kernel of an op: its own evaluation, rounded once. */
export function plain(op: OpName): Kernel {
  const { evaluate } = ops[op] as unknown as {
    evaluate: (
      inputs: { [input: string]: Tensor<"float64"> },
      attributes: object,
      shape: readonly number[],
    ) => Float64Array;
  };
  return (inputs, attributes, shape) => {
    const wide = Object.entries(inputs).map(([name, tensor]) => [name, toFloat64(tensor)] as const);
    return Float32Array.from(evaluate(Object.fromEntries(wide), attributes, shape));
  };
}

/** An honest backend that rounds each node's answer to float32, with places for bugs. */
export function float32Backend(bugs: Bugs = {}): Backend {
  return {
    name: "float32",
    describe: async () => ({ library: "none", version: "1", device: "cpu", dtypes: ["float32"] }),
    async compile<In extends string, Out extends string>(graph: Graph<In, Out>, { signal }: WorkOptions = {}) {
      throwIfAborted(signal);
      if (parametersOf(graph).length > 0)
        throw new UnsupportedError(`${graph.name} has open parameters; bind them first`);
      const read: Graph = bugs.rules ? rewrite(graph, bugs.rules) : graph;
      const honest = executableOf(read, bugs);
      return bugs.executable?.(honest, read) ?? honest;
    },
  };
}

function executableOf(graph: Graph, bugs: Bugs): Executable {
  let disposed = false;
  const dispose = async () => {
    disposed = true;
  };
  return {
    async run(inputs, { signal } = {}) {
      if (disposed) throw new UnsupportedError("run after dispose; compile the graph again");
      throwIfAborted(signal);
      const batch = (bugs.check ?? checkInputs)(graph, inputs);
      return evaluate(graph, inputs, batch, bugs, signal);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

async function evaluate(graph: Graph, given: Inputs, batch: number, bugs: Bugs, signal: WorkOptions["signal"]) {
  const known = new Map<Value, Tensor<"float32">>();
  const pending = new Map(usesOf(graph));
  for (const value of valuesOf(graph)) {
    if (value.kind === "input") known.set(value, given[value.name]!);
    if (value.kind === "constant") known.set(value, narrow(value.tensor));
    if (value.kind !== "node") continue;
    throwIfAborted(signal);
    if (batch > 8) await new Promise((resolve) => setTimeout(resolve, 0)); // so that an abort gets its turn
    known.set(value, answerOf(value, known, batch, bugs));
    bugs.after?.(value, { graph, known, batch });
    for (const input of inputsOf(value)) {
      const left = pending.get(input)! - 1;
      pending.set(input, left);
      if (left === 0) known.delete(input);
    }
  }
  const answers = Object.entries(graph.outputs).map(([name, value]): [string, Answer] => {
    const { dtype, shape, data } = known.get(value)!;
    return [name, tensorOf(dtype, shape, data.slice())];
  });
  return Object.fromEntries(answers);
}

function answerOf(
  node: AnyNode,
  known: ReadonlyMap<Value, Tensor<"float32">>,
  batch: number,
  { kernels }: Bugs,
): Tensor<"float32"> {
  const op = node.op as OpName;
  const inputs = Object.entries(node.inputs).map(([name, value]) => [name, known.get(value)!] as const);
  const shape = concrete(node.shape, batch);
  const kernel = kernels?.[op] ?? plain(op);
  return { dtype: "float32", shape, data: kernel(Object.fromEntries(inputs), node.attributes as never, shape) };
}

function narrow({ shape, data }: Tensor<"float32" | "float64">): Tensor<"float32"> {
  return tensorOf("float32", shape, data instanceof Float32Array ? data : Float32Array.from(data));
}
