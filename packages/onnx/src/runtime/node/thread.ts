import { SHARE_ENV, Worker } from "node:worker_threads";
import type { ResidualError } from "@residual/core";
import type { UrlLike } from "@residual/kit/bytes";
import { threadError, urlOfThread } from "@residual/kit/threads";
import type { SessionOptions } from "../inference.ts";
import { smallestModel } from "../model-source.ts";
import type { FromThread } from "../protocol.ts";
import type { RuntimeThread } from "../shared-thread.ts";
import { ThreadClient } from "../thread-client.ts";
import { createExitGuard, type ExitGuard, removeExitGuard } from "./exit-guard.ts";
import { disableTelemetry } from "./import-runtime.ts";
import { locate } from "./package.ts";

export interface ThreadSettings {
  /** Name or path of onnxruntime-node. */
  readonly runtime: string;
  /** The model of the first session, with which onnxruntime initializes its shared state. */
  readonly options: SessionOptions;
  /** URL of the worker's code; default: next to this file. */
  readonly worker: string | UrlLike | undefined;
  /** Makes the error for a library or device that does not load. */
  readonly loadError: (message: string) => ResidualError;
}

/** The data that the thread starts with. */
export interface ThreadSetup {
  /** URL of the runtime's entry point. */
  readonly runtime: string;
  readonly options: SessionOptions;
  readonly guard: ExitGuard;
  /** The bytes of a model that is loaded and dropped before any other. */
  readonly warmUp: Uint8Array<ArrayBuffer>;
}

/**
 * Starts a thread, which begins to load onnxruntime. It keeps the process alive only while it has jobs, aborted jobs
 * included, since it must not be terminated during a run.
 *
 * Throws BackendUnavailableError if onnxruntime is not installed, or the worker's code is not found.
 */
export function startThread({ runtime, options, worker: path, loadError }: ThreadSettings): RuntimeThread {
  const url = locate(runtime);
  const { url: besideUrl } = import.meta as { readonly url?: string };
  const code = urlOfThread({ owner: "onnx", file: "onnx-worker", besideUrl, given: path });
  disableTelemetry();
  const guard = createExitGuard();
  const workerData: ThreadSetup = { runtime: url, options, guard, warmUp: smallestModel() };
  // Without the flags of this thread, which may name loaders and conditions that the worker does not need. The
  // environment of this thread, since onnxruntime itself does not see a copy.
  const worker = new Worker(code, { workerData, execArgv: [], env: SHARE_ENV, name: "residual-onnx" });
  let hasSpoken = false;
  const client = new ThreadClient(
    {
      post: (message, transfer) => worker.postMessage(message, transfer),
      setBusy: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
    },
    loadError,
  );
  worker.on("message", (message: FromThread) => {
    hasSpoken = true;
    client.receive(message);
  });
  worker.on("error", (error) => client.lose(threadError("onnx", hasSpoken, error)));
  const ended = new Promise((resolve) => worker.once("exit", resolve)).then(() => {
    removeExitGuard(guard);
    client.lose(threadError("onnx", hasSpoken));
  });
  worker.unref();
  return {
    client,
    async end() {
      worker.ref();
      await worker.terminate(); // it is idle: terminating it inside onnxruntime would abort the process
      await ended;
    },
  };
}
