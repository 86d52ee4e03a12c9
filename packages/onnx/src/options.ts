import type { UrlLike } from "@residual/kit/bytes";

/**
 * The device that runs a model. `cuda`, `dml` (DirectML) and `coreml` exist only in Node, and need a machine and
 * libraries for them.
 */
export type OnnxDevice = "cpu" | "webgpu" | "cuda" | "dml" | "coreml";

/** The part of a web worker that Residual uses; the package is checked without the DOM's types. */
export interface WorkerLike {
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  addEventListener(type: "message" | "error", listener: (event: WorkerEvent) => void): void;
  terminate(): void;
}

interface WorkerEvent {
  readonly data?: unknown;
  readonly message?: string;
  preventDefault(): void;
}

export interface OnnxOptions {
  /** Default "cpu". A missing device is an error: there is no fallback. */
  readonly device?: OnnxDevice;
  /**
   * Threads that share the work of one run on the CPU, 1 to 4 per core. Default: in Node one per core; in browsers the
   * choice of onnxruntime-web, which is 1 without cross-origin isolation.
   */
  readonly threads?: number;
  /**
   * Whether threads spin while they wait for work during a run: slightly faster on an idle machine, but each thread
   * uses a whole core. In short runs threads always spin, and for 200 µs after. Only in Node.
   */
  readonly spin?: boolean;
  /**
   * Whether compile may copy weights of a file through a temporary file, which is removed when compile returns. Default
   * true. If false, and on Windows, they are copied through memory. Only in Node.
   */
  readonly map?: boolean;
  /**
   * Path or URL of the worker's code, `@residual/onnx/worker`, for bundles that separate it from this package; for
   * "webgpu" in browsers `@residual/onnx/worker-webgpu`. In browsers also a function that starts it, which bundlers
   * follow: `() => new Worker(new URL("@residual/onnx/worker", import.meta.url), { type: "module" })`. Default: found
   * automatically. `false` runs models on the caller's thread and blocks its event loop during each run; only on Node's
   * CPU.
   */
  readonly worker?: string | UrlLike | false | (() => WorkerLike);
  /** URL of the folder with onnxruntime-web's .wasm files; default: next to its code. Only in browsers. */
  readonly wasmPaths?: string;
}
