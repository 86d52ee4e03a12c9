import type { UrlLike } from "@residual/kit/bytes";

/**
 * What a model runs on. `cuda`, `dml` (DirectML) and `coreml` are of Node; each takes a machine and libraries that
 * have it.
 */
export type OnnxDevice = "cpu" | "webgpu" | "cuda" | "dml" | "coreml";

export interface OnnxOptions {
  /** "cpu" where not given. A device that is missing is an error: nothing else takes its place. */
  readonly device?: OnnxDevice;
  /**
   * Threads that share the work of one run on the CPU, 1 to 4 per core. Where not given, one per core in Node; in
   * browsers what onnxruntime-web chooses, which is 1 without cross-origin isolation.
   */
  readonly threads?: number;
  /**
   * Whether threads wait for work by spinning while a run is under way: a little quicker on a quiet machine, a whole
   * core each on any other. In short runs they always do, and for 200 µs after. Of Node.
   */
  readonly spin?: boolean;
  /**
   * Whether weights that lie in a file may go through a file in the temporary folder, which is gone when compile
   * returns, true where not given. Else, and on Windows, they go through memory. Of Node.
   */
  readonly map?: boolean;
  /**
   * Path or URL of the code of the thread that runs models, for bundles that have parted it from the rest of this
   * package: `@residual/onnx/worker` in Node, onnx-worker-wasm.js or onnx-worker-webgpu.js in browsers. Found by itself
   * where not given. `false` runs models on the caller's thread, whose event loop waits for each run; on Node's CPU.
   */
  readonly worker?: string | UrlLike | false;
  /** URL of the folder that onnxruntime-web's .wasm files are in; beside its code where not given. Of browsers. */
  readonly wasmPaths?: string;
}
