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
import { layOut, RowBuffer } from "./layout.ts";
import { lowerToProgram } from "./lower.ts";
import type { GpuSource, TensorFlowCore } from "./options.ts";
import type { Program, Weight } from "./program.ts";
import { Session } from "./session.ts";

export interface TfjsOptions {
  /** The best there is where not given. `node` and `node-gpu` are TensorFlow itself, through tfjs-node. */
  readonly engine?: EngineName;
  /** The tfjs-core that the process has already, with its engines' packages imported. It is found where not given. */
  readonly tf?: TensorFlowCore;
  /** The folder, a URL or a path, that tfjs-backend-wasm's .wasm files are in; beside its code where not given. */
  readonly wasmPaths?: string;
  /** Where webgpu's adapters come from: the browser's `navigator.gpu`, or in Node Dawn's, where not given. */
  readonly gpu?: GpuSource;
  /**
   * Whether wasm runs in a thread of its own, one for each executable, so that the event loop waits for nothing.
   * Without a thread the loop goes round every few milliseconds, between two layers. For Node. A path or URL names the
   * thread's code, `@residual/tfjs/worker`, where a bundle has parted it from the rest of this package.
   */
  readonly worker?: boolean | string | UrlLike;
}

/**
 * TensorFlow.js, on one of its engines, which is opened by the first compile, or by `describe`. What the process itself
 * does with tfjs, and which engine it has selected, is left alone.
 *
 * Variables with an update are tensors of the engine. A variable without one is a constant.
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

/** Weights reach the engine one by one, each worked out from its source when it is its turn. */
async function load(engine: Engine, graph: Graph, work: WorkOptions): Promise<LoadedGraph<"float32">> {
  const program = lowerToProgram(graph, engine.dialect);
  const weights = weightsByName(program);
  const buffer = new RowBuffer();
  return Network.load(engine, program, (name, target) => layOut(weights.get(name)!, target, buffer), work);
}

/** The same, the engine in a thread, which they are sent to. */
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
    await layOut(weight, () => numbers, buffer);
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
