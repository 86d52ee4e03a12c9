import { BackendUnavailableError, DeviceLostError } from "@residual/core";
import type { UrlLike } from "@residual/kit/bytes";
import type { WorkerLike } from "../../options.ts";
import type { FromThread } from "../protocol.ts";
import type { RuntimeThread } from "../shared-thread.ts";
import { ThreadClient } from "../thread-client.ts";
import { type FromWebThread, type ThreadSetup, WORKER_NAME } from "./protocol.ts";

/** The runtimes in browsers. */
export type WebDevice = "cpu" | "webgpu";

export interface ThreadSettings extends ThreadSetup {
  readonly device: WebDevice;
  /** URL of the worker's code, or a function that starts it; default: next to this file. */
  readonly worker: string | UrlLike | (() => WorkerLike) | undefined;
}

export interface WebThread extends RuntimeThread {
  /** onnxruntime-web's version. Rejects, as jobs do, if the thread does not start. */
  readonly version: Promise<string>;
}

declare const Worker: new (
  url: string | URL,
  options: { readonly type: "module"; readonly name: string },
) => WorkerLike;

/** Starts a worker, which begins to load onnxruntime-web. Errors of the start are thrown by the jobs. */
export function startThread({ device, worker: code, ...setup }: ThreadSettings): WebThread {
  let isReady: (version: string) => void;
  let isLost: (error: Error) => void;
  const version = new Promise<string>((resolve, reject) => {
    [isReady, isLost] = [resolve, reject];
  });
  version.catch(() => {}); // jobs reject with it too
  const worker = startWorker(device, code);
  const client = new ThreadClient(
    { post: (message, transfer) => worker.postMessage(message, [...transfer]), setBusy: () => {} },
    (message) => missing(device, message),
  );
  let hasStarted = false;
  worker.addEventListener("message", ({ data }) => {
    const message = data as FromWebThread;
    if (message.kind !== "ready") return client.receive(message satisfies FromThread);
    hasStarted = true;
    isReady(message.version);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault(); // a library must not write to the console
    const error = hasStarted
      ? new DeviceLostError(
          `onnx: the worker that runs the model has failed (${event.message}); compile the graph again`,
        )
      : notStarted(device, event.message);
    client.lose(error);
    isLost(error);
  });
  worker.postMessage(setup);
  return {
    client,
    version,
    end: async () => worker.terminate(),
  };
}

/**
 * Bundlers recognize workers by exactly this expression. Webpack must ignore it: it would report an error if
 * onnxruntime-web is not installed.
 */
function startWorker(device: WebDevice, given: ThreadSettings["worker"]): WorkerLike {
  const { url } = import.meta;
  const name = `onnx-worker-${device === "cpu" ? "wasm" : "webgpu"}`;
  try {
    if (typeof given === "function") return given();
    const code = typeof given === "object" ? given.href : given;
    if (code !== undefined) return new Worker(code, { type: "module", name: WORKER_NAME });
    if (/\.ts(\?|$)/.test(url)) {
      // In the repository; no bundler should look for it.
      return new Worker(url.replace(/[^/]*$/, `${name}.ts`), { type: "module", name: WORKER_NAME });
    }
    if (device === "cpu") {
      return new Worker(new URL("./onnx-worker-wasm.js", import.meta.url), {
        /* webpackIgnore: true */
        type: "module",
        name: WORKER_NAME,
      });
    }
    return new Worker(new URL("./onnx-worker-webgpu.js", import.meta.url), {
      /* webpackIgnore: true */
      type: "module",
      name: WORKER_NAME,
    });
  } catch (cause) {
    throw notStarted(device, cause instanceof Error ? cause.message : String(cause));
  }
}

/** Browsers report no message if a worker's code, or a module that it imports, is not found. */
function notStarted(device: WebDevice, message?: string): BackendUnavailableError {
  const name = `onnx-worker-${device === "cpu" ? "wasm" : "webgpu"}.js`;
  const found = message
    ? `the worker that runs models does not start (${message})`
    : "onnxruntime-web is missing (npm install onnxruntime-web), or the worker that imports it";
  return new BackendUnavailableError(
    `onnx: ${found}; the worker needs onnxruntime-web (npm install onnxruntime-web) and its code ${name}, ` +
      "which has to be served from the page's origin: where a bundler has moved it or cannot follow it, name it, " +
      "onnx({ worker: url }), or start it, onnx({ worker: () => new Worker(…) })",
  );
}

/** Turns the error of an onnxruntime-web that does not load into a BackendUnavailableError. */
function missing(device: WebDevice, message: string): BackendUnavailableError {
  const [firstLine] = message.split("\n");
  const cause = new Error(message);
  if (/WebAssembly here|compile WebAssembly/.test(message))
    return new BackendUnavailableError(`onnx: ${firstLine}`, { cause });
  const needs =
    device === "webgpu"
      ? "a browser with WebGPU, and an adapter"
      : "the .wasm files of onnxruntime-web: name their folder where a bundler has moved them, " +
        "load({ wasmPaths: { onnx: url } }) or onnx({ wasmPaths: url })";
  return new BackendUnavailableError(
    `onnx: onnxruntime-web does not load for the device "${device}" (${firstLine}); it needs ${needs}`,
    { cause },
  );
}
