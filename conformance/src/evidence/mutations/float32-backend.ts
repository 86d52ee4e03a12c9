import {
  type AnyNode,
  type Backend,
  checkInputs,
  concrete,
  type Executable,
  evaluateOp,
  type Graph,
  inputsOf,
  mapValues,
  type OpName,
  parametersOf,
  type Rules,
  readTensor,
  rewrite,
  ShapeError,
  type Source,
  type Tensor,
  tensorOf,
  throwIfAborted,
  toFloat64,
  UnsupportedError,
  usesOf,
  type Value,
  valuesOf,
  variablesOf,
  type WorkOptions,
} from "@residual/core";

export type Inputs = { readonly [input: string]: Tensor<"float32"> };

/** Computes the result of a node, rounded to float32. The attributes are those of the op. */
export type Kernel = (inputs: Inputs, attributes: never, shape: readonly number[]) => Float32Array;

/** The state of a running graph, for bugs between nodes. */
export interface Running {
  readonly graph: Graph;
  readonly known: Map<Value, Tensor<"float32">>;
  readonly batch: number;
}

/** The places where a bug can be planted. */
export interface Bugs {
  /** Rewrites the graph before the backend reads it. */
  readonly rules?: Rules;
  readonly kernels?: { readonly [Name in OpName]?: Kernel };
  /** Called after each node. `running.known` has the node's answer by then. */
  readonly after?: (node: AnyNode, running: Running) => void;
  readonly check?: (graph: Graph, inputs: Inputs) => number;
  readonly executable?: (honest: Executable, graph: Graph) => Executable;
  /** The storage of an executable's constants and variables, given their initial values. */
  readonly state?: (graph: Graph, fresh: State) => State;
  /** Writes the values of updates into the state at the end of a run. */
  readonly update?: (state: State, updates: Graph["updates"], known: Running["known"]) => void;
}

/** The numbers of constants, and the current numbers of variables. */
export type State = Map<Value, Tensor<"float32">>;

/** The plain kernel of an op: its own evaluation, rounded once. */
export function plain(op: OpName): Kernel {
  return (inputs, attributes, shape) =>
    Float32Array.from(evaluateOp({ op, attributes }, mapValues(inputs, toFloat64), shape));
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
      const leaves: State = new Map();
      for (const value of valuesOf(read)) if ("source" in value) leaves.set(value, await narrow(value.source));
      const honest = executableOf(read, bugs, bugs.state?.(read, leaves) ?? leaves);
      return bugs.executable?.(honest, read) ?? honest;
    },
  };
}

function executableOf(graph: Graph, bugs: Bugs, state: State): Executable {
  let disposed = false;
  const dispose = async () => {
    disposed = true;
  };
  const checkOpen = ({ signal }: WorkOptions) => {
    if (disposed) throw new UnsupportedError("run after dispose; compile the graph again");
    throwIfAborted(signal);
  };
  return {
    async run(inputs, options = {}) {
      checkOpen(options);
      const batch = (bugs.check ?? checkInputs)(graph, inputs);
      return evaluate(graph, inputs, { batch, bugs, state, signal: options.signal });
    },
    async read(names, options = {}) {
      checkOpen(options);
      const known = new Map(variablesOf(graph).map((variable) => [variable.name, variable]));
      const missing = names.find((name) => !known.has(name));
      if (missing !== undefined) throw new ShapeError("read.V1", `${graph.name} has no variable ${missing}`);
      return Object.fromEntries(names.map((name) => [name, copyOf(state.get(known.get(name)!)!)]));
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

interface Run {
  readonly batch: number;
  readonly bugs: Bugs;
  readonly state: State;
  readonly signal: WorkOptions["signal"];
}

async function evaluate(graph: Graph, given: Inputs, { batch, bugs, state, signal }: Run) {
  const known = new Map<Value, Tensor<"float32">>();
  const pending = new Map(usesOf(graph));
  for (const value of valuesOf(graph)) {
    if (value.kind === "input") known.set(value, given[value.name]!);
    if ("source" in value) known.set(value, state.get(value)!);
    if (value.kind !== "node") continue;
    throwIfAborted(signal);
    if (batch > 8) await new Promise((resolve) => setTimeout(resolve, 0)); // gives an abort its turn
    known.set(value, answerOf(value, known, batch, bugs));
    bugs.after?.(value, { graph, known, batch });
    for (const input of inputsOf(value)) {
      const left = pending.get(input)! - 1;
      pending.set(input, left);
      if (left === 0) known.delete(input);
    }
  }
  const answers = mapValues(graph.outputs, (value) => copyOf(known.get(value)!));
  (bugs.update ?? updateTogether)(state, graph.updates, known);
  return answers;
}

const updateTogether: NonNullable<Bugs["update"]> = (state, updates, known) => {
  const next = updates.map(({ variable, value }) => [variable, copyOf(known.get(value)!)] as const);
  for (const [variable, tensor] of next) state.set(variable, tensor);
};

export function copyOf({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  return tensorOf("float32", shape, data.slice());
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

async function narrow(source: Source): Promise<Tensor<"float32">> {
  const { shape, data } = await readTensor(source);
  return tensorOf("float32", shape, data instanceof Float32Array ? data : Float32Array.from(data));
}
