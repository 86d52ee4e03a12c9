import type { SessionOptions } from "../inference.ts";
import type { FromThread } from "../protocol.ts";

/** What the thread is told before any job. */
export interface ThreadSetup {
  readonly options: SessionOptions;
  /** Threads that share the work of a run; as many as onnxruntime-web thinks right where not given. */
  readonly threads: number | undefined;
  readonly wasmPaths: string | undefined;
  /** The bytes of a model to be loaded, and dropped, before any other. */
  readonly warmUp: Uint8Array<ArrayBuffer>;
}

/** What the thread says: that its code is loaded, and onnxruntime-web's version; then replies. */
export type FromWebThread = { readonly kind: "ready"; readonly version: string } | FromThread;

/** By its name a worker knows that it is to run models. */
export const WORKER_NAME = "residual-onnx";
