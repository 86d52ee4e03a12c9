import {
  type Backend,
  backendOf,
  type Graph,
  type LoadedGraph,
  readTensor,
  sizeOf,
  tensorOf,
  UnsupportedError,
  variablesOf,
  type WorkOptions,
} from "@residual/core";
import type { UrlLike } from "@residual/kit/bytes";
import { deviationsOf } from "./deviations.ts";
import { dialectOf, type EngineName } from "./dialects.ts";
import type { Engine } from "./engine.ts";
import { openBest, openEngine } from "./engines.ts";
import { Network } from "./execute.ts";
import { copyToLayout, RowBuffer } from "./layout.ts";
import { lowerToProgram } from "./lower.ts";
import type { GpuSource, TensorFlowCore, WasmPaths } from "./options.ts";
import type { Program, Weight } from "./program.ts";
import { Session } from "./session.ts";

export interface TfjsOptions {
  /** Default: the best available engine. `node` and `node-gpu` are TensorFlow's C library, through tfjs-node. */
  readonly engine?: EngineName;
  /** The process's tfjs-core, with the packages of its engines imported. Default: found automatically. */
  readonly tf?: TensorFlowCore;
  /** Where tfjs-backend-wasm's .wasm files lie; default: next to its code. */
  readonly wasmPaths?: WasmPaths;
  /** Source of webgpu's adapters; default: the browser's `navigator.gpu`, in Node Dawn's. */
  readonly gpu?: GpuSource;
  /**
   * Whether wasm runs in a thread for each executable, so that the event loop is never blocked. Without a thread, runs
   * yield to the event loop every few milliseconds, between two layers. Only in Node. A path or URL locates the
   * thread's code, `@residual/tfjs/worker`, if a bundle has separated it from this package.
   */
  readonly worker?: boolean | string | UrlLike;
}

/**
 * TensorFlow.js on one of its engines, opened by the first compile or by `describe`. The process's own use of tfjs, and
 * its selected engine, are not affected.
 *
 * Variables with an update are tensors of the engine. Variables without an update are constants.
 */
export function tfjs(options: TfjsOptions = {}): Backend<"float32"> {
  const { worker = false, engine: name = worker === false ? undefined : "wasm" } = options;
  if (worker !== false && name !== "wasm") {
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
  return backendOf({
    name: name === undefined ? "tfjs" : `tfjs-${name}`,
    async describe() {
      const { name: found, description } = await open();
      return { ...description, dtypes: ["float32"], deviations: deviationsOf(found, description.device) };
    },
    async load(graph, work) {
      const loaded = await (worker === false ? load(await open(), graph, work) : loadInThread(graph, options, work));
      return readingConstants(graph, loaded);
    },
  });
}

/** Weights are uploaded to the engine one by one, each read from its source just before. */
async function load(engine: Engine, graph: Graph, work: WorkOptions): Promise<LoadedGraph<"float32">> {
  const program = lowerToProgram(graph, engine.dialect);
  const weights = weightsByName(program);
  const buffer = new RowBuffer();
  return Network.load(engine, program, (name, target) => copyToLayout(weights.get(name)!, target, buffer), work);
}

/** As `load`, with the engine in a thread, to which the weights are sent. */
async function loadInThread(
  graph: Graph,
  { wasmPaths, worker }: TfjsOptions,
  work: WorkOptions,
): Promise<LoadedGraph<"float32">> {
  const program = lowerToProgram(graph, dialectOf("wasm"));
  const weights = weightsByName(program);
  const buffer = new RowBuffer();
  const numbersOf = async (name: string) => {
    const weight = weights.get(name)!;
    const numbers = new Float32Array(sizeOf(weight.shape));
    await copyToLayout(weight, () => numbers, buffer);
    return numbers;
  };
  return Session.load(program, numbersOf, {
    wasmPaths,
    worker: typeof worker === "boolean" ? undefined : worker,
    ...work,
  });
}

function weightsByName({ weights, variables }: Program): ReadonlyMap<string, Weight> {
  return new Map([...weights, ...variables].map((weight) => [weight.name, weight]));
}

/** Variables without an update are constants of the program: `read` takes their numbers from their sources. */
function readingConstants(graph: Graph, loaded: LoadedGraph<"float32">): LoadedGraph<"float32"> {
  const updated = new Set(graph.updates.map(({ variable }) => variable));
  const constants = new Map(
    variablesOf(graph).flatMap((each) => (updated.has(each) ? [] : [[each.name, each.source] as const])),
  );
  if (constants.size === 0) return loaded;
  return {
    run: (inputs, options) => loaded.run(inputs, options),
    commit: () => loaded.commit?.(),
    async read(names) {
      const answers = { ...(await loaded.read?.(names.filter((name) => !constants.has(name)))) };
      for (const name of names) {
        const source = constants.get(name);
        if (!source) continue;
        const { shape, data } = await readTensor(source);
        answers[name] = tensorOf("float32", shape, Float32Array.from(data));
      }
      return answers;
    },
    dispose: () => loaded.dispose(),
  };
}
