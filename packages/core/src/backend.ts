import { check, ShapeError, type Signal } from "./ir/errors.ts";
import type { Graph } from "./ir/graph.ts";
import { describeValue, shortList } from "./ir/messages.ts";
import { type DType, ownArray, type RealDType, sizeOf, type Tensor } from "./ir/tensor.ts";
import { formatShape, type Shape } from "./ir/value.ts";
import type { OpName } from "./ops/nodes.ts";

/** How far a long piece of work has come. `total` is in the same unit as `done`. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

export interface WorkOptions {
  /** Aborts the work, which then rejects with an AbortError. An AbortSignal fits. */
  readonly signal?: Signal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** What a backend runs on, for reports and for `residual doctor`. */
export interface BackendDescription {
  /** The runtime beneath: `onnxruntime-node`. */
  readonly library: string;
  readonly version: string;
  /** `cpu`, or the adapter's name. */
  readonly device: string;
  readonly driver?: string;
  /** What it computes in. */
  readonly dtypes: readonly DType[];
  /** What it does otherwise than in plain float32, which has errors of its own; float32 throughout where not given. */
  readonly algorithms?: readonly Algorithm[];
  /** Where its results are known to differ from the spec's, usually because of the runtime beneath. */
  readonly deviations?: readonly Deviation[];
}

/**
 * Winograd's F(2×2, 3×3) and F(4×4, 3×3) for convolutions; float16 for what is kept between nodes, for products of
 * convolutions and sums of four of them as well, or for all sums; 8 bits for the inputs and weights of convolutions and
 * linear layers.
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

/**
 * A difference from the spec that a backend is known to have. Conformance fails if none of its cases shows it any more.
 */
export interface Deviation {
  readonly op: OpName;
  readonly trait: Trait;
  readonly because: string;
}

/**
 * Something that runs graphs. The whole of what Residual asks of a backend, and all that conformance knows of one.
 *
 * `compile` takes any graph whose parameters are bound. It optimizes, lowers and allocates, once. It throws
 * UnsupportedError for a graph it cannot run, BackendUnavailableError where its runtime is missing. `backendOf` makes a
 * backend of what is peculiar to a runtime.
 *
 * `D` is the dtype that its executables answer in: float64 for the reference, float32 for the others.
 */
export interface Backend<D extends RealDType = RealDType> {
  readonly name: string;
  describe(): Promise<BackendDescription>;
  /**
   * Begins what a compile needs first, such as loading a runtime, while the caller reads weights. The next compile
   * takes it over, and tells what is missing. The caller disposes the result after that compile, or instead of it.
   */
  warmUp?(): AsyncDisposable;
  compile<In extends string, Out extends string>(
    graph: Graph<In, Out>,
    options?: WorkOptions,
  ): Promise<Executable<In, Out, D>>;
}

/** The numbers that a backend answers in. */
export type Answer<D extends RealDType = RealDType> = Tensor<D>;

/**
 * A graph made ready. Calls of `run` may overlap, each gets its own answer; inputs are never changed. `dispose` frees
 * all that `compile` and `run` allocated, waits for what still runs, and may be called again; `run` after it is an
 * error.
 *
 * Variables stay on the device from run to run. A run reads them as the run called before it left them. A run that
 * fails or is aborted leaves them as they were.
 */
export interface Executable<In extends string = string, Out extends string = string, D extends RealDType = RealDType> {
  run(inputs: { readonly [K in In]: Tensor<"float32"> }, options?: WorkOptions): Promise<{ [K in Out]: Answer<D> }>;
  /**
   * Copies variables off the device, after the runs called so far. Throws ShapeError for a name that no variable has.
   */
  read(names: readonly string[], options?: WorkOptions): Promise<{ [name: string]: Answer<D> }>;
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What runs are checked by. */
export type Signature = Pick<Graph, "name" | "inputs">;

/**
 * Refuses inputs that a graph does not take, for every backend in the same words, and tells the batch of this run.
 *
 * B1  each input of the graph is there, and no other.
 * B2  each is a float32 tensor whose data has the size of its shape (a detached buffer has none).
 * B3  each has its declared shape; an open batch is the same for all.
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
