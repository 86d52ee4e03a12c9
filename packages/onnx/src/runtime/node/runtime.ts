import { availableParallelism } from "node:os";
import { type Graph, type Signal, throwIfAborted, UnsupportedError, type WorkOptions } from "@residual/core";
import { deviationsOf } from "../../deviations.ts";
import { lowerToOnnx } from "../../lower.ts";
import type { OnnxDialect } from "../../model-builder.ts";
import type { OnnxDevice, OnnxOptions } from "../../options.ts";
import type { Runtime, Session } from "../../session.ts";
import { deviceExtra, dialectOf, foldedAlready } from "../dialect.ts";
import type { ModelSource, SessionOptions } from "../inference.ts";
import { fewAborted, loadSession } from "../load-session.ts";
import { inMemory, smallestModel } from "../model-source.ts";
import { type OpenSession, SharedThread } from "../shared-thread.ts";
import { blockSize, isTraining } from "./block-size.ts";
import { checkLibrary, deviceOptions, isExclusive, missingDevice } from "./devices.ts";
import { largestInlineBatch, MOST_INLINE } from "./inline-batch.ts";
import { openInline, splitByBatch } from "./inline-session.ts";
import { onDisk } from "./mapped-model.ts";
import { loadRuntime, notLoading, PACKAGE, versionOf } from "./package.ts";
import { startThread, type ThreadSettings } from "./thread.ts";

/** Options for tests. */
interface Internals {
  /** A package with onnxruntime-node's interface. */
  readonly name?: string;
  /** The most work of a run on the caller's thread, in multiply-adds. */
  readonly mostInline?: number;
  /** The block of onnxruntime's layout for images; 1 for the plain layout. */
  readonly block?: number;
}

/** onnxruntime-node. Throws UnsupportedError if `threads` is out of range. */
export function nodeRuntime(
  options: OnnxOptions = {},
  { name = PACKAGE, mostInline = MOST_INLINE, block: given }: Internals = {},
): Runtime {
  const { device = "cpu", map = true, threads, worker } = options;
  if (worker === false && device !== "cpu") {
    throw new UnsupportedError(`onnx: { worker: false } is for the device "cpu", not for "${device}"; leave one out`);
  }
  const most = worker === false ? Infinity : mostInline;
  const settings = threadSettings(options, foldedAlready, name);
  let spare: Promise<OpenSession> | undefined;
  let loading: Promise<unknown> | undefined; // of onnxruntime, in this thread or in a worker
  const loaded = (begin: () => Promise<unknown>): Promise<unknown> => {
    loading ??= begin();
    loading.catch(() => {
      loading = undefined; // it may be installed by the next call
    });
    return loading;
  };
  const takeSpare = () => {
    const taken = spare;
    spare = undefined;
    return taken;
  };
  const inThread = (model: ModelToLoad, work: WorkOptions) =>
    loadInThread(takeSpare() ?? openThread(settings), model, work);
  const inline = sessionOptions(device, threads, "briefly", foldedAlready);
  let block: Promise<number> | undefined = given === undefined ? undefined : Promise.resolve(given);
  const blocks = () => {
    block ??= loadRuntime(name).then((runtime) => blockSize(runtime, inline));
    block.catch(() => {
      block = undefined;
    });
    return block;
  };
  const warmUp = (): AsyncDisposable => {
    spare ??= openThread(settings);
    const opening = spare;
    loaded(() => opening).catch(() => {}); // the next compile reports the error
    return {
      async [Symbol.asyncDispose]() {
        const unused = await takeSpare()?.catch(() => undefined);
        await unused?.close();
      },
    };
  };
  return {
    ...(worker !== false && { warmUp }),
    async describe() {
      if (device === "cpu") await loaded(() => loadRuntime(name));
      else await tryDevice(settings);
      return { library: name, version: await versionOf(name), device, deviations: deviationsOf(device) };
    },
    async load(graph, work) {
      const largest = device === "cpu" ? largestInlineBatch(graph, most) : 0;
      const block = device === "cpu" && isTraining(graph) ? await blocks() : 1;
      const model = { graph, dialect: dialectOf(device), block, map };
      if (largest === 0) return inThread(model, work);
      const short = await withSource(model, work, (source) => openInline(name, inline, source));
      return splitByBatch(short, largest, () => inThread(model, {}));
    },
  };
}

/** A graph, and the form in which onnxruntime gets it. */
interface ModelToLoad {
  readonly graph: Graph;
  readonly dialect: OnnxDialect;
  /** The block of onnxruntime's layout for images; 1 for the plain layout. */
  readonly block: number;
  readonly map: boolean;
}

/** The thread loads onnxruntime while the graph is lowered. */
async function loadInThread(opening: Promise<OpenSession>, model: ModelToLoad, work: WorkOptions): Promise<Session> {
  return loadSession(await opening, (each) => withSource(model, work, (source) => each.load(source, work.signal)));
}

/**
 * Maps the weights if possible. If onnxruntime refuses the mapped model, the plain model is tried, and its error
 * counts.
 */
async function withSource<T>(
  { graph, dialect, block, map }: ModelToLoad,
  work: WorkOptions,
  use: (source: ModelSource) => Promise<T>,
): Promise<T> {
  throwIfAborted(work.signal);
  await using mapped = map ? await onDisk(graph, dialect, work, block) : undefined;
  if (mapped) {
    try {
      return await use(mapped.source);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }
  return await use(await inMemory(lowerToOnnx(graph, dialect, block)));
}

/**
 * A session on the CPU from a model that is read while onnxruntime loads. Throws errors of `read`, and as the runtime's
 * `load` does.
 */
export async function openSession(
  options: OnnxOptions,
  signal: Signal | undefined,
  read: () => Promise<ModelSource>,
): Promise<Session> {
  const settings = threadSettings(options);
  if (options.worker === false) return openInline(PACKAGE, settings.options, await read());
  return loadSession(await openThread(settings), async (each) => each.load(await read(), signal));
}

/** Opens a device, and closes it again. Throws BackendUnavailableError if it is missing. */
async function tryDevice(settings: Settings): Promise<void> {
  const opened = await openThread(settings);
  const session = await loadSession(opened, (each) => each.load({ model: smallestModel() }, undefined));
  await session.close();
}

interface Settings extends ThreadSettings {
  readonly device: OnnxDevice;
}

/**
 * Threads of devices that no two threads may use at the same time. Opening the device takes a second, and the thread
 * keeps the compiled kernels.
 */
const exclusiveThread = new SharedThread(10_000);

/**
 * Starts a thread with a session of these settings; reuses the running thread of an exclusive device. Throws as
 * `startThread` does.
 */
async function openThread(settings: Settings): Promise<OpenSession> {
  checkLibrary(settings.device, settings.runtime);
  await fewAborted();
  const thread = isExclusive(settings.device) ? exclusiveThread : new SharedThread();
  return thread.open(() => startThread(settings), settings.options);
}

/** `without` lists passes of onnxruntime to disable. Throws UnsupportedError if `threads` is out of range. */
function threadSettings(
  { device = "cpu", threads, spin = false, worker }: OnnxOptions,
  without: readonly string[] = [],
  runtime: string = PACKAGE,
): Settings {
  const options = sessionOptions(device, threads, spin ? "spinning" : "asleep", without);
  const loadError = (message: string) =>
    device === "cpu" ? notLoading(runtime, message, new Error(message)) : missingDevice(device, message);
  return { runtime, device, options, worker: codeOf(worker), loadError };
}

function codeOf(worker: OnnxOptions["worker"]): Settings["worker"] {
  if (typeof worker !== "function") return worker || undefined;
  throw new UnsupportedError(
    "onnx: { worker: () => … } starts a web worker; in Node give the path or URL of the worker's code",
  );
}

/** How threads wait for work. */
const waits = {
  asleep: { intra_op: { allow_spinning: "0" } },
  /** Threads spin during a run only: an idle process uses no CPU time. */
  spinning: { intra_op: { allow_spinning: "1" }, force_spinning_stop: "1" },
  /**
   * Threads spin for 200 µs: longer than most operators of a short run, and longer than the pause between two
   * consecutive runs. Putting a thread to sleep and waking it takes longer. Before onnxruntime 1.26, threads spin for
   * milliseconds.
   */
  briefly: { intra_op: { allow_spinning: "1", spin_duration_us: "200" } },
} as const;

function sessionOptions(
  device: OnnxDevice,
  threads = availableParallelism(),
  wait: keyof typeof waits,
  without: readonly string[],
): SessionOptions {
  checkThreads(threads);
  const extra = deviceExtra(device, without);
  return {
    ...deviceOptions(device),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4, // fatal: errors are thrown; a library must not write to stderr
    extra: {
      ...extra,
      session: { ...extra.session, ...waits[wait] },
    },
  };
}

/** onnxruntime hangs if 100,000 threads are requested. */
function checkThreads(threads: number): void {
  const most = 4 * availableParallelism();
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= most) return;
  const range = `a whole number from 1 to ${most}, four times this machine's cores`;
  throw new UnsupportedError(`onnx: threads is ${threads}, expected ${range}`);
}
