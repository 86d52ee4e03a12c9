import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { BackendUnavailableError, DeviceLostError, OutOfMemoryError, type ResidualError } from "@residual/core";
import type { SessionOptions } from "../inference.ts";
import { smallestModel } from "../model-source.ts";
import type { FromThread } from "../protocol.ts";
import type { RuntimeThread } from "../shared-thread.ts";
import { ThreadClient } from "../thread-client.ts";
import { createExitGuard, type ExitGuard, removeExitGuard } from "./exit-guard.ts";
import { locate } from "./package.ts";

export interface ThreadSettings {
  /** Name or path of onnxruntime-node. */
  readonly runtime: string;
  /** Of the first session, by which onnxruntime sets up what all share. */
  readonly options: SessionOptions;
  /** Where the thread's code lies; beside this file where not given. */
  readonly worker: string | URL | undefined;
  /** Makes an error of what onnxruntime says where it, or its device, does not load. */
  readonly loadError: (message: string) => ResidualError;
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

/**
 * Starts a thread, which begins to load onnxruntime. It keeps the process alive only while it has something to do, an
 * aborted job included, since it must not be torn down in mid run.
 *
 * Throws BackendUnavailableError where onnxruntime is not installed, or the thread's code is not where it should be.
 */
export function startThread({ runtime, options, worker: path, loadError }: ThreadSettings): RuntimeThread {
  const [url, code] = [locate(runtime), workerCode(path)];
  const guard = createExitGuard();
  const workerData: ThreadSetup = { runtime: url, options, guard, warmUp: smallestModel() };
  // Its own flags: those of this thread may name loaders and conditions that the worker does not need.
  const worker = new Worker(code, { workerData, execArgv: [], name: "residual-onnx" });
  const client = new ThreadClient(
    {
      post: (message, transfer) => worker.postMessage(message, transfer),
      setBusy: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
    },
    loadError,
  );
  worker.on("message", (message: FromThread) => client.receive(message));
  worker.on("error", (error) => client.lose(lostError(error)));
  const ended = new Promise((resolve) => worker.once("exit", resolve)).then(() => {
    removeExitGuard(guard);
    client.lose(lostError());
  });
  worker.unref();
  return {
    client,
    async end() {
      worker.ref();
      await worker.terminate(); // it is idle: to end it inside onnxruntime would abort the process
      await ended;
    },
  };
}

/** Throws BackendUnavailableError where the thread's code is not where it should be. */
function workerCode(given: string | URL | undefined): URL {
  const { url } = import.meta as { readonly url?: string };
  const name = url?.endsWith(".ts") ? "./onnx-worker.ts" : "./onnx-worker.js"; // Node strips types itself
  const beside = url && new URL(name, url);
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

function lostError(cause?: unknown): ResidualError {
  const isMemory = (cause as { code?: string } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
  if (isMemory)
    return new OutOfMemoryError("onnx: the worker thread ran out of memory; take a smaller batch", { cause });
  return new DeviceLostError("onnx: the worker thread that runs the model has ended; compile the graph again", {
    cause,
  });
}
