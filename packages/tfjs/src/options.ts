/** What opening an engine may need. */
export interface EngineOptions {
  readonly tf?: TensorFlowCore | undefined;
  readonly wasmPaths?: string | undefined;
  readonly gpu?: GpuSource | undefined;
}

/** tfjs-core, or what holds all of it. It is named by one of its names alone, so that our types do without its. */
export interface TensorFlowCore {
  readonly version_core: string;
}

/** Where adapters come from: `navigator.gpu`, or Dawn's. A GPU fits. */
export interface GpuSource {
  requestAdapter(options?: { powerPreference?: "high-performance" | "low-power" }): Promise<unknown>;
}
