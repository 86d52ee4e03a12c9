interface WasmPaths {
  readonly tfjs?: string | { readonly [file: string]: string } | undefined;
  readonly onnx?: string | undefined;
}

export interface BackendOptions {
  /** Threads of one run; default: one per core. Backends without threads ignore it. */
  readonly threads?: number | undefined;
  /**
   * URLs or paths of the folders with the .wasm files of tfjs-backend-wasm, and in browsers of onnxruntime-web; for
   * tfjs also a URL for each file, by its name. Default: next to the code of these packages.
   */
  readonly wasmPaths?: WasmPaths | undefined;
  /**
   * Called with a message when a backend is slower than it could be. Default: `process.emitWarning` in Node,
   * `console.warn` in browsers.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
}
