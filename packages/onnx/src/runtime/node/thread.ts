import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import {
  BackendUnavailableError,
  DeviceLostError,
  graph,
  input,
  OutOfMemoryError,
  ops,
  type ResidualError,
  type Signal,
} from "@residual/core";
import { lowerToOnnx } from "../../lower.ts";
import type { Session } from "../../session.ts";
import type { SessionOptions } from "../inference.ts";
import { encode } from "../model-source.ts";
import type { FromThread, ModelSource } from "../protocol.ts";
import { ThreadClient, threadSession } from "../thread-client.ts";
import { createExitGuard, type ExitGuard, removeExitGuard } from "./exit-guard.ts";
import { locate, unavailable } from "./package.ts";

export interface ThreadSettings {
  /** Name or path of onnxruntime-node. */
  readonly runtime: string;
  readonly options: SessionOptions;
  /** Where the thread's code lies; beside this file where not given. */
  readonly worker: string | URL | undefined;
}

/** What the thread starts with. */
export interface ThreadSetup {
  /** URL of the runtime's entry point. */
  readonly runtime: string;
  readonly options: SessionOptions;
  readonly guard: ExitGuard;
  /** The bytes of a model to be loaded, and dropped, before any other. */
  readonly warmUp: Uint8Array<ArrayBuffer>;
}

/** Each thread has one session. */
const SESSION = 0;

/**
 * A thread with one onnxruntime session. It keeps the process alive only while it has something to do, an aborted job
 * included, since it must not be torn down in mid run.
 */
export class NodeThread {
  readonly #worker: Worker;
  readonly #client: ThreadClient;
  readonly #ended: Promise<void>;
  #closing: Promise<void> | undefined;

  /** Starts the thread, which begins to load onnxruntime. Throws BackendUnavailableError where it is not installed. */
  constructor({ runtime, options, worker }: ThreadSettings) {
    const [url, code] = [locate(runtime), workerCode(worker)];
    const guard = createExitGuard();
    const workerData: ThreadSetup = { runtime: url, options, guard, warmUp: smallestModel() };
    // Its own flags: those of this thread may name loaders and conditions that the worker does not need.
    this.#worker = new Worker(code, { workerData, execArgv: [], name: "residual-onnx" });
    this.#client = new ThreadClient(
      {
        post: (message, transfer) => this.#worker.postMessage(message, transfer),
        setBusy: (isBusy) => (isBusy || this.#closing ? this.#worker.ref() : this.#worker.unref()),
      },
      (message) => unavailable(runtime, `does not load (${message})`, new Error(message)),
    );
    this.#worker.on("message", (message: FromThread) => this.#client.receive(message));
    this.#worker.on("error", (error) => this.#client.lose(lostError(error)));
    this.#worker.unref();
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve)).then(() => {
      removeExitGuard(guard);
      this.#client.lose(lostError());
    });
  }

  /** Loads a model into the thread's session. Throws as `ThreadClient.create` does. */
  async load(source: ModelSource, signal: Signal | undefined): Promise<Session> {
    await this.#client.create(SESSION, source, signal);
    return threadSession(this.#client, SESSION, () => this.close());
  }

  /** Does what is queued, frees the session, then ends the thread. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    try {
      await this.#client.release(SESSION);
    } catch (error) {
      if (!(error instanceof DeviceLostError || error instanceof OutOfMemoryError)) throw error; // it has ended by itself
    }
    await this.#worker.terminate(); // it is idle: to end it inside onnxruntime would abort the process
    await this.#ended;
  }
}

/** Throws BackendUnavailableError where the thread's code is not where it should be. */
function workerCode(given: string | URL | undefined): URL {
  const { url } = import.meta as { readonly url?: string };
  const beside = url && new URL(url.endsWith(".ts") ? "./onnx-worker.ts" : "./onnx-worker.js", url); // Node strips types itself
  const code = given === undefined ? beside : toUrl(given);
  if (code && (code.protocol !== "file:" || existsSync(code))) return code;
  const found = code ? `${fileURLToPath(code)} is missing` : "onnx-worker.js cannot be found";
  throw new BackendUnavailableError(
    `onnx: ${found}, the code of the thread that runs models; a bundler has to leave @residual/onnx out (external), ` +
      `or copy onnx-worker.js and what it imports, and name it: onnx({ worker: path })`,
  );
}

function toUrl(given: string | URL): URL {
  if (given instanceof URL) return given;
  return given.startsWith("file:") ? new URL(given) : pathToFileURL(resolve(given));
}

/** A model of one node, whose session makes onnxruntime set up what all sessions share. */
function smallestModel(): Uint8Array<ArrayBuffer> {
  const x = input("x", [1]);
  const model = lowerToOnnx(graph({ name: "smallest", inputs: { x }, outputs: { y: ops.relu({ x }) } }));
  return encode(model);
}

function lostError(cause?: unknown): ResidualError {
  const isMemory = (cause as { code?: string } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
  if (isMemory)
    return new OutOfMemoryError("onnx: the worker thread ran out of memory; take a smaller batch", { cause });
  return new DeviceLostError("onnx: the worker thread that runs the model has ended; compile the graph again", {
    cause,
  });
}
