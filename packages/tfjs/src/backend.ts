import {
  type Answer,
  abortError,
  type Backend,
  checkInputs,
  type Executable,
  type Graph,
  numbersReader,
  optimize,
  type Signal,
  type Tensor,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { deviationsOf } from "./deviations.ts";
import { dialectOf, type EngineName } from "./dialects.ts";
import type { Engine } from "./engine.ts";
import { openBest, openEngine } from "./engines.ts";
import { type NamedNumbers, Network } from "./execute.ts";
import { layOut } from "./layout.ts";
import { checkBound, lowerToProgram } from "./lower.ts";
import type { GpuSource, TensorFlowCore } from "./options.ts";
import { Session } from "./session.ts";

export interface TfjsOptions {
  /** The best there is where not given. `node` and `node-gpu` are TensorFlow itself, through tfjs-node. */
  readonly engine?: EngineName;
  /** The tfjs-core that the process has already, with its engines' packages imported; found by itself where not given. */
  readonly tf?: TensorFlowCore;
  /** The folder, a URL or a path, that tfjs-backend-wasm's .wasm files are in; beside its code where not given. */
  readonly wasmPaths?: string;
  /** Where webgpu's adapters come from: the browser's `navigator.gpu`, or in Node Dawn's, where not given. */
  readonly gpu?: GpuSource;
  /**
   * Whether wasm runs in a thread of its own, one an executable, so that the event loop waits for nothing. Without it the loop goes
   * round every few milliseconds, between two layers. Of Node.
   */
  readonly worker?: boolean;
}

/**
 * TensorFlow.js, on one of its engines, which is opened by the first compile, or by `describe`. What the process itself does with
 * tfjs, and which engine it has selected, is left alone.
 *
 * Takes graphs as they are built, and optimizes them.
 */
export function tfjs(options: TfjsOptions = {}): Backend {
  const { worker = false, engine: name = worker ? "wasm" : undefined } = options;
  if (worker && name !== "wasm") {
    throw new UnsupportedError(`tfjs: { worker: true } is for the engine wasm, not for ${name}; leave one of them out`);
  }
  let opening: Promise<Engine> | undefined;
  const open = async (): Promise<Engine> => {
    opening ??= name === undefined ? openBest(options) : openEngine(name, options);
    const engine = await opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    if (!engine.isGone()) return engine;
    opening = undefined;
    return open();
  };
  return {
    name: name === undefined ? "tfjs" : `tfjs-${name}`,
    async describe() {
      const { name: found, description } = await open();
      return { ...description, dtypes: ["float32"], deviations: deviationsOf(found, description.device) };
    },
    async compile(graph, work = {}) {
      throwIfAborted(work.signal);
      checkBound(graph);
      return executable(graph, await (worker ? loadInThread(graph, options, work) : load(await open(), graph, work)));
    },
  };
}

/** Weights reach the engine one by one, each worked out from its source when it is its turn. */
async function load(engine: Engine, graph: Graph, work: WorkOptions): Promise<Network> {
  const program = lowerToProgram(optimize(graph), engine.dialect);
  const weights = new Map(program.weights.map((weight) => [weight.name, weight]));
  using read = numbersReader();
  return await Network.load(engine, program, (name) => (into) => void layOut(weights.get(name)!, into, read), work);
}

/** The same, the engine in a thread, which they are sent to. */
async function loadInThread(graph: Graph, { wasmPaths }: TfjsOptions, work: WorkOptions): Promise<Session> {
  const program = lowerToProgram(optimize(graph), dialectOf("wasm"));
  using read = numbersReader();
  const weights = new Map(program.weights.map((weight) => [weight.name, weight]));
  return await Session.load(program, (name) => layOut(weights.get(name)!, undefined, read), { wasmPaths, ...work });
}

/** What carries a program out: here, or in a thread. */
interface Runner {
  run(inputs: NamedNumbers, options: WorkOptions): Promise<NamedNumbers>;
  dispose(): Promise<void>;
}

/** Runs one after the other: two at a time would take no less time, and the memory of two. */
function executable<In extends string, Out extends string>(graph: Graph<In, Out>, runner: Runner): Executable<In, Out> {
  let disposed: Promise<void> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const dispose = () => {
    disposed ??= last.then(() => runner.dispose());
    return disposed;
  };
  return {
    async run(inputs, options = {}) {
      if (disposed) throw new UnsupportedError("tfjs: run after dispose; compile the graph again");
      throwIfAborted(options.signal);
      checkInputs(graph, inputs);
      const given: { readonly [name: string]: Tensor<"float32"> } = inputs;
      const copies = Object.entries(given).map(
        ([name, { shape, data }]) => [name, { shape, data: data.slice() }] as const,
      ); // the caller may go on
      const mine = last.then(() => runner.run(Object.fromEntries(copies), options));
      last = mine.catch(() => undefined);
      const found = await untilAborted(mine, options.signal);
      const answers = Object.entries(found).map(
        ([name, { shape, data }]) => [name, tensorOf("float32", shape, data)] as const,
      );
      return Object.fromEntries(answers) as { [K in Out]: Answer };
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Rejects as soon as the signal is aborted; what is under way ends between two layers, and the next run waits for it. */
function untilAborted<T>(work: Promise<T>, signal: Signal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortError(signal));
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
