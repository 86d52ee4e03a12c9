import { availableParallelism } from "node:os";
import { AbortError, type Graph, UnsupportedError, type WorkOptions } from "@residual/core";
import { deviations } from "../../deviations.ts";
import { lowerToOnnx } from "../../lower.ts";
import type { OnnxOptions } from "../../options.ts";
import type { Runtime, Session } from "../../session.ts";
import type { SessionOptions } from "../inference.ts";
import { inMemory } from "../model-source.ts";
import type { ModelSource } from "../protocol.ts";
import { largestInlineBatch, MOST_INLINE } from "./inline-batch.ts";
import { openInline, splitByBatch } from "./inline-session.ts";
import { onDisk } from "./mapped-model.ts";
import { PACKAGE, versionOf } from "./package.ts";
import { NodeThread, type ThreadSettings } from "./thread.ts";

/** What tests choose. */
interface Internals {
  /** A package of onnxruntime-node's interface. */
  readonly name?: string;
  /** Work of a run that may be carried out on the caller's thread, in multiply-adds. */
  readonly mostInline?: number;
}

/** onnxruntime-node. Throws UnsupportedError where `threads` is out of range. */
export function nodeRuntime(
  options: OnnxOptions = {},
  { name = PACKAGE, mostInline = MOST_INLINE }: Internals = {},
): Runtime {
  const { map = true } = options;
  const settings = threadSettings(options, name);
  return {
    describe: async () => ({ library: name, version: await versionOf(name), device: "cpu", deviations }),
    async load(graph, work) {
      const openLong = (options: WorkOptions) => openThread(settings, graph, map, options);
      const largest = largestInlineBatch(graph, mostInline);
      if (largest === 0) return openLong(work);
      const short = await openFrom((source) => openInline(name, settings.options, source), graph, map, work);
      return splitByBatch(short, largest, () => openLong({}));
    },
  };
}

async function openThread(settings: ThreadSettings, graph: Graph, map: boolean, work: WorkOptions): Promise<Session> {
  const thread = new NodeThread(settings); // loads onnxruntime while the graph is lowered
  try {
    return await openFrom((source) => thread.load(source, work.signal), graph, map, work);
  } catch (error) {
    const closed = thread.close();
    if (!(error instanceof AbortError)) await closed; // an abort answers at once, the thread ends when it can
    throw error;
  }
}

/** Maps the weights where that works. What onnxruntime says of a mapped model, it has to say of the plain one again. */
async function openFrom(
  open: (source: ModelSource) => Promise<Session>,
  graph: Graph,
  map: boolean,
  work: WorkOptions,
): Promise<Session> {
  await using mapped = map ? await onDisk(graph, work) : undefined;
  if (mapped) {
    try {
      return await open(mapped.source);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }
  return await open(await inMemory(lowerToOnnx(graph)));
}

/** What threads of these options are started with. Throws UnsupportedError where `threads` is out of range. */
export function threadSettings({ threads, spin, worker }: OnnxOptions, runtime: string = PACKAGE): ThreadSettings {
  return { runtime, options: sessionOptions(threads, spin), worker };
}

function sessionOptions(threads = availableParallelism(), spin = false): SessionOptions {
  checkThreads(threads);
  const allow_spinning = spin ? "1" : "0";
  const force_spinning_stop = "1"; // with spin: while a run is under way, and not for a while after it
  return {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4, // fatal: what fails is thrown, and stderr is not ours to write to
    extra: { session: { intra_op: { allow_spinning }, inter_op: { allow_spinning }, force_spinning_stop } },
  };
}

/** onnxruntime hangs when it is asked for 100,000 threads. */
function checkThreads(threads: number): void {
  const most = 4 * availableParallelism();
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= most) return;
  const range = `a whole number from 1 to ${most}, four times this machine's cores`;
  throw new UnsupportedError(`onnx: threads is ${threads}, expected ${range}`);
}
