/** The options that opening an engine may need. */
export interface EngineOptions {
  readonly tf?: TensorFlowCore | undefined;
  readonly wasmPaths?: string | undefined;
  readonly gpu?: GpuSource | undefined;
}

/**
 * tfjs-core, or a package that includes it. Declared by one function only, so that these types do not depend on tfjs.
 */
export interface TensorFlowCore {
  readonly version_core: string;
}

/** A source of adapters: `navigator.gpu`, or Dawn's. A GPU fits. */
export interface GpuSource {
  requestAdapter(options?: { powerPreference?: "high-performance" | "low-power" }): Promise<unknown>;
}
