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

/** What a run is given beside its inputs. `batch` is 1 where no input has an open batch. */
export interface RunOptions extends WorkOptions {
  readonly batch: number;
}

/** A graph on a runtime: what an adapter writes, and the shell makes an executable of. */
export interface LoadedGraph<D extends RealDType = RealDType> {
  /**
   * One run. The inputs are checked: their names, shapes and dtypes are the graph's. Variables stay as they are until
   * `commit`. It should look at the signal now and then; the shell answers the caller at once.
   */
  run(inputs: NamedTensors, options: RunOptions): Promise<{ [name: string]: Answer<D> }>;
  /**
   * Replaces variables by what the last run computed for them. Called before the next run begins, unless the run failed
   * or was aborted; the next run then drops what it computed. Needed by graphs with updates.
   */
  commit?(): void;
  /** The numbers of variables of these names, all of which the graph has. Needed by graphs with variables. */
  read?(names: readonly string[]): Promise<{ [name: string]: Answer<D> }>;
  /** Frees what loading and runs allocated. Called once, when nothing runs any more. */
  dispose(): Promise<void>;
}

/** What is peculiar to a runtime. The shell has the rest, the same for every backend. */
export interface BackendParts<D extends RealDType, Loaded extends LoadedGraph<D> = LoadedGraph<D>> {
  readonly name: string;
  describe(): Promise<BackendDescription>;
  /** Lowers and allocates. The graph is optimized and its parameters are bound. */
  load(graph: Graph, options: WorkOptions): Promise<Loaded>;
  /**
   * Whether the runtime takes several runs at a time, and copies their inputs before `run` gives its promise. Else, and
   * where runs update variables, runs wait for one another here, and their inputs are copied here.
   */
  readonly overlaps?: boolean;
  /** As `Backend.warmUp`. */
  warmUp?(): AsyncDisposable;
  /** What `compile` makes of a graph first: `optimize` where not given. */
  readonly pass?: Pass;
}

/** Calls of an adapter's own beside `run`, which wait for their turn and end as `run` does. */
export type Enqueue = <T>(work: () => Promise<T>, signal?: Signal) => Promise<T>;

/**
 * A backend: the runtime's parts with the manners that every backend has.
 *
 * - `compile` refuses an aborted signal and open parameters, optimizes, and then loads.
 * - `run` refuses inputs that the graph does not take, and values that no memory can hold, and leaves the caller's
 * inputs alone.
 * - Runs are carried out in the order of their calls. An aborted signal rejects with AbortError at once, while the
 *   runtime comes to its end; the next run waits for that.
 * - `dispose` waits for what runs, frees once, and may be called again. `run` and `read` after it throw
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

/** A compiled graph, with what an adapter needs to add calls of its own to the executable. */
export interface Compiled<In extends string, Out extends string, D extends RealDType, Loaded = LoadedGraph<D>> {
  readonly executable: Executable<In, Out, D>;
  readonly loaded: Loaded;
  readonly enqueue: Enqueue;
}

/** `compile` of a backend of these parts. */
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

/** The options of a call from code that nobody has checked: null counts as none. */
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

/** An executable of a loaded graph, for runtimes that load what is not a graph of ours: a file, say. */
export function executableOf<In extends string, Out extends string, D extends RealDType, Loaded extends LoadedGraph<D>>(
  { name, overlaps = false }: Pick<BackendParts<D>, "name" | "overlaps">,
  graph: Graph<In, Out>,
  loaded: Loaded & LoadedGraph<D>,
): Compiled<In, Out, D, Loaded> {
  const bytesOf = largestValue(graph);
  const known = variablesOf(graph).map((variable) => variable.name);
  const hasUpdates = graph.updates.length > 0;
  const isQueued = !overlaps || hasUpdates; // state goes from one run to the next
  /** All that runs need of the graph, whose weights are the caller's to drop. */
  const taken: Signature = { name: graph.name, inputs: graph.inputs };
  const underWay = new Set<Promise<unknown>>();
  let last: Promise<unknown> = Promise.resolve();
  let disposed: Promise<void> | undefined;

  const checkOpen = (signal: Signal | undefined) => {
    if (disposed) throw new UnsupportedError(`${name}: run after dispose; compile the graph again`);
    throwIfAborted(signal);
  };

  /** `end` comes after the work, unless that failed or was aborted. From then on an abort comes too late. */
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
      checkMemory(bytesOf(batch), `${name}: ${runOf(taken, batch)}`, "take a smaller batch or image");
      const given = mapValues<Tensor<"float32">, Tensor<"float32">>(inputs, ({ shape, data }) => {
        const own = tensorOf("float32", shape, data);
        return isQueued ? copyOf(own) : own; // the caller may go on with it
      });
      const answers = await enqueue(() => loaded.run(given, { ...work, batch }), work.signal);
      return answers as { [K in Out]: Answer<D> };
    },
    async read(names, options) {
      const { signal } = checkWork("read", options);
      checkOpen(signal);
      const isList = typeof names === "object" && names !== null && Symbol.iterator in names;
      check(isList, "read.V1", `expected names in an array, found ${describeValue(names)}`);
      const asked = [...names]; // the caller may go on with the list
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

/** The bytes of a run's largest value in float32, by the batch: less memory does for no backend. */
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

/** Rejects as soon as the signal is aborted, unless the work has called `keep`. The work comes to its own end. */
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
