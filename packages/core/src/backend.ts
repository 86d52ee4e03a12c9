import { check, ShapeError, type Signal } from "./ir/errors.ts";
import type { Graph } from "./ir/graph.ts";
import { describeValue, shortList } from "./ir/messages.ts";
import { type DType, ownArray, type RealDType, sizeOf, type Tensor } from "./ir/tensor.ts";
import { formatShape, type Shape } from "./ir/value.ts";
import type { OpName } from "./ops/nodes.ts";

/** Progress of a long operation. `total` has the same unit as `done`. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

export interface WorkOptions {
  /** Aborts the work, which then rejects with AbortError. Takes an AbortSignal. */
  readonly signal?: Signal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** The runtime and device of a backend, for reports and for `residual doctor`. */
export interface BackendDescription {
  /** The runtime's library: `onnxruntime-node`. */
  readonly library: string;
  readonly version: string;
  /** `cpu`, or the adapter's name. */
  readonly device: string;
  readonly driver?: string;
  /** The dtypes of its arithmetic. */
  readonly dtypes: readonly DType[];
  /** Algorithms that are not plain float32; each has its own error bound. Without the field: float32 throughout. */
  readonly algorithms?: readonly Algorithm[];
  /** Known differences from the spec; most come from the runtime. */
  readonly deviations?: readonly Deviation[];
}

/**
 * `winograd-f2` and `winograd-f4`: Winograd's F(2×2, 3×3) and F(4×4, 3×3) for convolutions. `float16-storage`: values
 * between nodes are held in float16. `float16-products`: also the products of convolutions, and sums of four products.
 * `float16`: all sums too. `int8`: 8 bits for the inputs and weights of convolutions and linear layers.
 */
export type Algorithm = "winograd-f2" | "winograd-f4" | "float16-storage" | "float16-products" | "float16" | "int8";

/**
 * How a backend's results may differ from the spec on special values. The vocabulary is closed: conformance has at
 * least one case for each trait, and refuses any other.
 */
export const traits = {
  "drops NaN": "a NaN among the inputs does not reach the results that depend on it",
  "turns infinity into NaN": "an infinite input gives NaN where the spec gives a number or an infinity",
  "pads with a finite number": "a window that sees nothing but padding and -infinity gives a finite number",
  "starts at a finite number": "a maximum of numbers below some finite number gives that number",
  "keeps negative subnormals": "a negative subnormal number is not raised to 0",
  "overflows early": "a finite input is read as infinity",
} as const;

export type Trait = keyof typeof traits;

/** A known difference from the spec. Conformance fails once none of its cases shows the difference. */
export interface Deviation {
  readonly op: OpName;
  readonly trait: Trait;
  readonly because: string;
}

/**
 * Runs graphs. This interface is all that Residual asks of a backend, and all that conformance knows of it.
 *
 * `compile` takes any graph whose parameters are bound. It optimizes, lowers and allocates, once. It throws
 * UnsupportedError for a graph that the backend cannot run, and BackendUnavailableError if its runtime is missing.
 * `backendOf` makes a backend from the parts that depend on the runtime.
 *
 * `D` is the dtype of the outputs: float64 for the reference, float32 for the others.
 */
export interface Backend<D extends RealDType = RealDType> {
  readonly name: string;
  describe(): Promise<BackendDescription>;
  /**
   * Starts the first steps of a compile, such as loading a runtime, while the caller reads weights. The next compile
   * takes the result over, and reports a missing runtime. The caller disposes the result after that compile, or instead
   * of it.
   */
  warmUp?(): AsyncDisposable;
  compile<In extends string, Out extends string>(
    graph: Graph<In, Out>,
    options?: WorkOptions,
  ): Promise<Executable<In, Out, D>>;
}

/** An output of a run. */
export type Answer<D extends RealDType = RealDType> = Tensor<D>;

/**
 * A compiled graph. Calls of `run` may overlap, and each returns its own outputs. Inputs are never changed. `dispose`
 * frees all that `compile` and `run` allocated, waits for unfinished runs, and may be called again. `run` after
 * `dispose` throws UnsupportedError.
 *
 * Variables stay on the device from run to run. A run reads the values that the previously called run wrote. A run that
 * fails or is aborted changes no variable.
 */
export interface Executable<In extends string = string, Out extends string = string, D extends RealDType = RealDType> {
  run(inputs: { readonly [K in In]: Tensor<"float32"> }, options?: WorkOptions): Promise<{ [K in Out]: Answer<D> }>;
  /** Copies variables off the device, after the runs called so far. Throws ShapeError for an unknown name. */
  read(names: readonly string[], options?: WorkOptions): Promise<{ [name: string]: Answer<D> }>;
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The part of a graph that inputs are checked against. */
export type Signature = Pick<Graph, "name" | "inputs">;

/**
 * Checks the inputs of a run, with the same messages for every backend. Returns the run's batch.
 *
 * B1  the inputs have exactly the names of the graph's inputs.
 * B2  each is a float32 tensor whose data has the size of its shape (the data of a detached buffer is empty).
 * B3  each has its declared shape; an open batch is the same for all inputs.
 */
export function checkInputs(graph: Signature, inputs: { readonly [name: string]: Tensor }): number {
  const expected = Object.keys(graph.inputs);
  const taken = `${graph.name} takes { ${shortList(expected)} }`;
  check(typeof inputs === "object" && inputs !== null, "run.B1", `${taken}, found ${describeValue(inputs)}`);
  const found = Object.keys(inputs);
  const same = expected.length === found.length && expected.every((name) => inputs[name]);
  check(same, "run.B1", `${taken}, found { ${shortList(found)} }`);
  let batch: number | undefined;
  for (const name of expected) {
    const given = inputs[name]!;
    checkData(name, given);
    batch = checkShape(name, graph.inputs[name]!.shape, given.shape, batch);
  }
  return batch ?? 1;
}

function checkData(name: string, given: Tensor): void {
  const expected = 'expected a tensor { shape, dtype: "float32", data } whose data is a Float32Array';
  const refuse = (found: string): never => {
    throw new ShapeError("run.B2", `${name} ${found}; ${expected}`);
  };
  if (typeof given !== "object") refuse(`is ${describeValue(given)}`);
  const { dtype, shape, data } = given;
  if (dtype !== "float32") refuse(`has the dtype ${describeValue(dtype)}`);
  const numbers = ownArray("float32", data) ?? refuse(`has ${describeValue(data)} as its data`);
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape) refuse(`has ${describeValue(shape)} as its shape`);
  const size = sizeOf(shape);
  check(
    numbers.length === size,
    "run.B2",
    `${name} holds ${numbers.length} numbers, its shape ${formatShape(shape)} needs ${size} (a detached buffer holds none)`,
  );
}

function checkShape(
  name: string,
  expected: Shape,
  found: readonly number[],
  batch: number | undefined,
): number | undefined {
  const open = expected[0] === "N";
  const fits = expected.length === found.length && expected.every((size, axis) => size === "N" || size === found[axis]);
  const wayOut = open ? "" : "; build the graph for this shape, or with an open batch";
  if (!fits)
    throw new ShapeError("run.B3", `${name} is ${formatShape(found)}, expected ${formatShape(expected)}${wayOut}`);
  if (!open) return batch;
  const [n] = found as [number];
  check(n >= 1, "run.B3", `${name} has a batch of ${n}, expected at least 1`);
  check(batch === undefined || batch === n, "run.B3", `${name} has a batch of ${n}, another input one of ${batch}`);
  return n;
}
