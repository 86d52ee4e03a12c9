import { availableParallelism } from "node:os";
import {
  AbortError,
  type Answer,
  type Backend,
  BackendUnavailableError,
  checkInputs,
  type Executable,
  type Graph,
  input,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { deviations } from "./deviations.ts";
import { checkBound, lowerToOnnx } from "./lower.ts";
import { inMemory, onDisk } from "./place.ts";
import type { SessionSettings } from "./protocol.ts";
import { RUNTIME, versionOf } from "./runtime.ts";
import { Session } from "./session.ts";
import { verifyOnnx } from "./verify.ts";

export interface OnnxOptions {
  /** Threads that share the work of one run, 1 to 4 per core; one per core where not given. */
  readonly threads?: number;
  /** Whether threads wait for work by spinning: a little quicker on a quiet machine, a whole core each on any other. */
  readonly spin?: boolean;
  /**
   * Whether weights that lie in a file may go through a file in the temporary folder, which is gone when compile returns,
   * true where not given. Else, and on Windows, they go through memory.
   */
  readonly map?: boolean;
}

/**
 * ONNX Runtime on the CPU, through onnxruntime-node. Runs in a thread per executable, so that the event loop goes on. The
 * first of these threads starts at once, to have the runtime loaded by the time that there is a graph to compile.
 *
 * Takes graphs as they are built: norms are folded while weights stream from their file, and onnxruntime fuses by itself.
 * Throws UnsupportedError where `threads` is out of range.
 */
export function onnx(options: OnnxOptions = {}): Backend {
  return onnxOn(RUNTIME, options);
}

/** `onnx` on another package of the same interface; tests name one that is missing. */
export function onnxOn(
  runtime: string,
  { threads = availableParallelism(), spin = false, map = true }: OnnxOptions,
): Backend {
  checkThreads(threads);
  const takeSession = sessions(runtime, { threads, spin });
  return {
    name: "onnx",
    describe: async () => ({
      library: runtime,
      version: await versionOf(runtime),
      device: "cpu",
      dtypes: ["float32"],
      deviations,
    }),
    async compile(graph, work = {}) {
      throwIfAborted(work.signal);
      checkBound(graph); // before there is a thread to end
      const session = takeSession();
      try {
        work.onProgress?.({ stage: "load", done: 0, total: 1 });
        await load(session, graph, map, work);
        work.onProgress?.({ stage: "load", done: 1, total: 1 });
        return executable(graph, session);
      } catch (error) {
        const closed = session.close();
        if (!(error instanceof AbortError)) await closed; // an abort answers at once, the thread ends when it can
        throw error;
      }
    },
  };
}

/**
 * An executable from a file that `writeOnnx` wrote. Its weights are held against their SHA-256 first: onnxruntime itself
 * loads flipped bits, and answers with other numbers.
 *
 * Throws FormatError where they are not the ones that were written, and what `onnx` and its `compile` throw.
 */
export async function openOnnx(
  path: string,
  { signal, onProgress, threads = availableParallelism(), spin = false }: Omit<OnnxOptions, "map"> & WorkOptions = {},
): Promise<Executable> {
  checkThreads(threads);
  const session = new Session(RUNTIME, { threads, spin });
  try {
    const { model, inputs } = await verifyOnnx(path, { signal, onProgress });
    await session.create({ model: path }, signal);
    const shapes = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)] as const);
    return executable({ name: model, inputs: Object.fromEntries(shapes), outputs: {}, aliases: {} }, session);
  } catch (error) {
    await session.close();
    throw error;
  }
}

/**
 * Sessions one by one, the first of them started beforehand. One that is never asked for is closed when whoever could ask
 * is gone. Throws BackendUnavailableError when asked, not before.
 */
function sessions(runtime: string, settings: SessionSettings): () => Session {
  let spare: Session | undefined;
  try {
    spare = new Session(runtime, settings);
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
  }
  const take = (): Session => {
    const session = spare ?? new Session(runtime, settings);
    spare = undefined;
    unused.unregister(take);
    return session;
  };
  if (spare) unused.register(take, spare, take);
  return take;
}

const unused = new FinalizationRegistry<Session>((session) => void session.close());

/** onnxruntime hangs when it is asked for 100,000 threads. */
function checkThreads(threads: number): void {
  const most = 4 * availableParallelism();
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= most) return;
  const range = `a whole number from 1 to ${most}, four times this machine's cores`;
  throw new UnsupportedError(`onnx: threads is ${threads}, expected ${range}`);
}

/** Maps the weights where that works. What onnxruntime says of a mapped model, it has to say of the plain one again. */
async function load(session: Session, graph: Graph, map: boolean, work: WorkOptions): Promise<void> {
  await using mapped = map ? await onDisk(graph, work) : undefined;
  if (mapped) {
    try {
      return await session.create(mapped.source, work.signal);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }
  await session.create(inMemory(lowerToOnnx(graph)), work.signal);
}

function executable<In extends string, Out extends string>(
  graph: Graph<In, Out>,
  session: Session,
): Executable<In, Out> {
  let disposed = false;
  const dispose = () => {
    disposed = true;
    return session.close();
  };
  return {
    async run(inputs, { signal } = {}) {
      if (disposed) throw new UnsupportedError("onnx: run after dispose; compile the graph again");
      checkInputs(graph, inputs);
      const outputs = await session.run(inputs, signal);
      const answers = Object.entries(outputs).map(
        ([name, { shape, data }]) => [name, tensorOf("float32", shape, data)] as const,
      );
      return Object.fromEntries(answers) as { [K in Out]: Answer };
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
