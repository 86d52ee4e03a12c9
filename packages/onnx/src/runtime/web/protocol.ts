import type { SessionOptions } from "../inference.ts";
import type { FromThread } from "../protocol.ts";

/** The first message to the thread. */
export interface ThreadSetup {
  readonly options: SessionOptions;
  /** Threads that share the work of a run; default: onnxruntime-web's choice. */
  readonly threads: number | undefined;
  readonly wasmPaths: string | undefined;
  /** The bytes of a model that is loaded and dropped before any other. */
  readonly warmUp: Uint8Array<ArrayBuffer>;
}

/** Messages of the thread: first that its code is loaded, with onnxruntime-web's version; then replies. */
export type FromWebThread = { readonly kind: "ready"; readonly version: string } | FromThread;

/** The name of the worker, for who debugs a page. */
export const WORKER_NAME = "residual-onnx";
