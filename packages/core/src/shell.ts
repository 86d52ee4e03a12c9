import {
  type Answer,
  type Backend,
  type BackendDescription,
  checkInputs,
  type Executable,
  type Signature,
  type WorkOptions,
} from "./backend.ts";
import { abortError, check, type Signal, throwIfAborted, UnsupportedError } from "./ir/errors.ts";
import { type Graph, nodesOf, parametersOf, variablesOf } from "./ir/graph.ts";
import { checkMemory } from "./ir/memory.ts";
import { describeValue, shortList, shortText } from "./ir/messages.ts";
import { mapValues } from "./ir/names.ts";
import { type RealDType, sizeOf, type Tensor, tensorOf } from "./ir/tensor.ts";
import { concrete, formatShape, type Input } from "./ir/value.ts";
import { optimize } from "./passes/index.ts";
import type { Pass } from "./passes/rewrite.ts";

type NamedTensors = { readonly [name: string]: Tensor<"float32"> };

/** The options of a run, and its batch. `batch` is 1 if no input has an open batch. */
export interface RunOptions extends WorkOptions {
  readonly batch: number;
}

/** A graph loaded into a runtime: an adapter writes it, and the shell turns it into an executable. */
export interface LoadedGraph<D extends RealDType = RealDType> {
  /**
   * One run. The inputs are already checked against the graph. Variables keep their values until `commit`. Long runs
   * should check the signal now and then; after an abort the shell rejects at once.
   */
  run(inputs: NamedTensors, options: RunOptions): Promise<{ [name: string]: Answer<D> }>;
  /**
   * Replaces variables by the updates of the last run. Called before the next run begins, unless the run failed or was
   * aborted; the next run then discards the updates. Required for graphs with updates.
   */
  commit?(): void;
  /** The numbers of the named variables, all of which exist. Required for graphs with variables. */
  read?(names: readonly string[]): Promise<{ [name: string]: Answer<D> }>;
  /** Frees the memory of loading and of runs. Called once, after all runs have ended. */
  dispose(): Promise<void>;
}

/** The parts of a backend that depend on the runtime. The shell has the rest, the same for every backend. */
export interface BackendParts<D extends RealDType, Loaded extends LoadedGraph<D> = LoadedGraph<D>> {
  readonly name: string;
  describe(): Promise<BackendDescription>;
  /** Lowers and allocates. The graph is optimized and its parameters are bound. */
  load(graph: Graph, options: WorkOptions): Promise<Loaded>;
  /**
   * Whether the runtime runs several calls at a time, and copies their inputs before `run` returns its promise. If not,
   * or if runs update variables, the shell queues the runs and copies their inputs.
   */
  readonly overlaps?: boolean;
  /** As `Backend.warmUp`. */
  warmUp?(): AsyncDisposable;
  /** What `compile` applies to a graph first. Default `optimize` */
  readonly pass?: Pass;
}

/** Further calls of an adapter besides `run`; queued and ended as `run` is. */
export type Enqueue = <T>(work: () => Promise<T>, signal?: Signal) => Promise<T>;

/**
 * Makes a backend from the parts that depend on the runtime, with the behaviour that all backends share.
 *
 * - `compile` refuses an aborted signal and open parameters, optimizes, and then loads.
 * - `run` refuses inputs that do not fit the graph, and values that exceed all memory. It never changes the caller's
 *   inputs.
 * - Runs are carried out in the order of their calls. An aborted signal rejects with AbortError at once; the runtime
 *   finishes in the background, and the next run waits for it.
 * - `dispose` waits for unfinished runs, frees once, and may be called again. `run` and `read` after it throw
 *   UnsupportedError.
 */
export function backendOf<D extends RealDType>(parts: BackendParts<D>): Backend<D> {
  return {
    name: parts.name,
    describe: () => parts.describe(),
    ...(parts.warmUp && { warmUp: () => parts.warmUp!() }),
    compile: async (graph, options = {}) => (await compileOn(parts, graph, options)).executable,
  };
}

/** A compiled graph, with what an adapter needs to add calls to the executable. */
export interface Compiled<In extends string, Out extends string, D extends RealDType, Loaded = LoadedGraph<D>> {
  readonly executable: Executable<In, Out, D>;
  readonly loaded: Loaded;
  readonly enqueue: Enqueue;
}

/** `compile` of a backend made from these parts. */
export async function compileOn<
  In extends string,
  Out extends string,
  D extends RealDType,
  Loaded extends LoadedGraph<D>,
>(parts: BackendParts<D, Loaded>, graph: Graph<In, Out>, options?: WorkOptions): Promise<Compiled<In, Out, D, Loaded>> {
  const work = checkWork("compile", options);
  throwIfAborted(work.signal);
  const isGraph = isObject(graph) && isObject(graph.inputs) && isObject(graph.outputs) && Array.isArray(graph.updates);
  check(isGraph, "compile.G1", `expected a graph, found ${describeValue(graph)}; make one with \`bind\``);
  checkBound(parts.name, graph);
  const { pass = optimize } = parts;
  return executableOf(parts, graph, await parts.load(pass(graph), work));
}

/** The options of a call, checked at run time: null counts as absent. */
function checkWork(call: string, options: WorkOptions | null | undefined): WorkOptions {
  const work = options ?? {};
  check(isObject(work), `${call}.W1`, `expected options as an object, found ${describeValue(work)}`);
  const { signal, onProgress } = work;
  const isSignal = !signal || (isObject(signal) && typeof signal.addEventListener === "function");
  check(isSignal, `${call}.W2`, `expected \`signal\` to be an AbortSignal, found ${describeValue(signal)}`);
  const isCallback = !onProgress || typeof onProgress === "function";
  check(isCallback, `${call}.W3`, `expected \`onProgress\` to be a function, found ${describeValue(onProgress)}`);
  return work;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Refuses open parameters. */
function checkBound(backend: string, graph: Graph): void {
  const [open, ...others] = parametersOf(graph);
  if (!open) return;
  const count = others.length + 1;
  throw new UnsupportedError(
    `${backend}: ${count} parameters of ${graph.name} are open (${open.name}, …); bind them first`,
  );
}

/** An executable of a loaded graph, for runtimes that load something other than a graph, such as a file. */
export function executableOf<In extends string, Out extends string, D extends RealDType, Loaded extends LoadedGraph<D>>(
  { name, overlaps = false }: Pick<BackendParts<D>, "name" | "overlaps">,
  graph: Graph<In, Out>,
  loaded: Loaded & LoadedGraph<D>,
): Compiled<In, Out, D, Loaded> {
  const leastBytes = largestValue(graph);
  const known = variablesOf(graph).map((variable) => variable.name);
  const hasUpdates = graph.updates.length > 0;
  const isQueued = !overlaps || hasUpdates; // runs share the variables' state
  /** Everything that runs need of the graph, but not its weights: the caller can let them be collected. */
  const taken: Signature = { name: graph.name, inputs: graph.inputs };
  const underWay = new Set<Promise<unknown>>();
  let last: Promise<unknown> = Promise.resolve();
  let disposed: Promise<void> | undefined;

  const checkOpen = (signal: Signal | undefined) => {
    if (disposed) throw new UnsupportedError(`${name}: run after dispose; compile the graph again`);
    throwIfAborted(signal);
  };

  /** `end` is called after the work, unless the work failed or was aborted. After that call an abort has no effect. */
  const inTurn = async <T>(work: () => Promise<T>, signal: Signal | undefined, end: () => void): Promise<T> => {
    checkOpen(signal);
    return untilAborted(signal, (keep) => {
      const begin = () => {
        throwIfAborted(signal);
        return work();
      };
      const mine = (isQueued ? last.then(begin) : work()).then((value) => {
        throwIfAborted(signal);
        keep();
        end();
        return value;
      });
      const settled = mine.then(ignore, ignore);
      last = settled;
      underWay.add(settled);
      void settled.then(() => underWay.delete(settled));
      return mine;
    });
  };
  const commit = () => {
    if (hasUpdates) loaded.commit?.();
  };
  const enqueue: Enqueue = (work, signal) => inTurn(work, signal, commit);

  const dispose = () => {
    disposed ??= Promise.all(underWay).then(() => loaded.dispose());
    return disposed;
  };

  const executable: Executable<In, Out, D> = {
    async run(inputs, options) {
      const work = checkWork("run", options);
      checkOpen(work.signal);
      const batch = checkInputs(taken, inputs);
      checkMemory(leastBytes(batch), `${name}: ${runOf(taken, batch)}`, "take a smaller batch or image");
      const given = mapValues<Tensor<"float32">, Tensor<"float32">>(inputs, ({ shape, data }) => {
        const own = tensorOf("float32", shape, data);
        return isQueued ? copyOf(own) : own; // the caller may change the input meanwhile
      });
      const answers = await enqueue(() => loaded.run(given, { ...work, batch }), work.signal);
      return answers as { [K in Out]: Answer<D> };
    },
    async read(names, options) {
      const { signal } = checkWork("read", options);
      checkOpen(signal);
      const isList = typeof names === "object" && names !== null && Symbol.iterator in names;
      check(isList, "read.V1", `expected names in an array, found ${describeValue(names)}`);
      const asked = [...names]; // the caller may change the list meanwhile
      for (const each of asked) {
        check(
          known.includes(each),
          "read.V1",
          `${taken.name} has no variable ${shortText(each)}; it has ${shortList(known) || "none"}`,
        );
      }
      return inTurn(async () => (await loaded.read?.(asked)) ?? {}, signal, ignore);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
  return { executable, loaded, enqueue };
}

const ignore = () => {};

/** For messages: `a run of resnet18 on image 8×3×224×224`. */
export function runOf(graph: Signature, batch: number): string {
  const inputs = Object.values<Input>(graph.inputs).map(({ name, shape }) => {
    return `${name} ${formatShape(concrete(shape, batch))}`;
  });
  return `a run of ${graph.name} on ${shortList(inputs) || "no input"}`;
}

/**
 * The bytes of a run's largest value in float32, as a function of the batch: every backend needs at least this memory.
 */
function largestValue(graph: Graph): (batch: number) => number {
  let [fixed, each] = [0, 0];
  for (const { shape } of nodesOf(graph)) {
    const bytes = 4 * sizeOf(concrete(shape, 1));
    if (shape[0] === "N") each = Math.max(each, bytes);
    else fixed = Math.max(fixed, bytes);
  }
  return (batch) => Math.max(fixed, each * batch);
}

function copyOf({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  return tensorOf("float32", shape, data.slice());
}

/** Rejects as soon as the signal is aborted, unless the work has called `keep`. The work itself runs to its end. */
function untilAborted<T>(signal: Signal | undefined, begin: (keep: () => void) => Promise<T>): Promise<T> {
  if (!signal) return begin(ignore);
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortError(signal));
    let isHeard = true;
    const keep = () => {
      if (isHeard) signal.removeEventListener("abort", stop);
      isHeard = false;
    };
    signal.addEventListener("abort", stop, { once: true });
    begin(keep).finally(keep).then(resolve, reject);
  });
}
