export interface BackendOptions {
  /** Threads of one run; one per core where not given. Backends without threads of their own ignore it. */
  readonly threads?: number | undefined;
  /**
   * URL or path of the folder with the .wasm files of tfjs-wasm, or of onnx in browsers; beside the code of their
   * packages where not given.
   */
  readonly wasmPaths?: string | undefined;
  /**
   * Is told, in words for people, what makes a backend slower than it could be. Where not given, `load` warns as the
   * platform does: by `process.emitWarning` in Node, by `console.warn` in browsers.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
}
