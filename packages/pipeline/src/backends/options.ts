export interface BackendOptions {
  /** Threads of one run; one per core where not given. Backends without threads of their own ignore it. */
  readonly threads?: number | undefined;
  /**
   * URLs or paths of the folders with the .wasm files of tfjs-backend-wasm, and in browsers of onnxruntime-web; beside
   * the code of these packages where not given.
   */
  readonly wasmPaths?: { readonly tfjs?: string | undefined; readonly onnx?: string | undefined } | undefined;
  /**
   * Is told, in words for people, what makes a backend slower than it could be. Where not given, warnings go where the
   * platform's do: by `process.emitWarning` in Node, by `console.warn` in browsers.
   */
  readonly onWarning?: ((message: string) => void) | undefined;
}
