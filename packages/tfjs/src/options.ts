/**
 * Where tfjs-backend-wasm's .wasm files lie: the URL or path of their folder, or a URL for each file by its name, such
 * as a bundler gives. `tfjs-backend-wasm-simd.wasm` is needed; pages that are cross-origin isolated run on several
 * threads with `tfjs-backend-wasm-threaded-simd.wasm`.
 */
export type WasmPaths = string | { readonly [file: string]: string };

/** The options that opening an engine may need. */
export interface EngineOptions {
  readonly tf?: TensorFlowCore | undefined;
  readonly wasmPaths?: WasmPaths | undefined;
  readonly gpu?: GpuSource | undefined;
}

/**
 * tfjs-core, or a package that includes it. Declared by one function only, so that these types do not depend on tfjs.
 */
export interface TensorFlowCore {
  readonly version_core: string;
  /** tfjs-backend-wasm's, where `wasmPaths` are given too: `{ ...tf, setWasmPaths }`. */
  readonly setWasmPaths?: (paths: WasmPaths) => void;
}

/** A source of adapters: `navigator.gpu`, or Dawn's. A GPU fits. */
export interface GpuSource {
  requestAdapter(options?: { powerPreference?: "high-performance" | "low-power" }): Promise<unknown>;
}
