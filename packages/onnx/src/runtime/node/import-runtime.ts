import type { OnnxRuntime } from "../inference.ts";

/** The package is CommonJS; a dynamic import wraps it. */
export async function importRuntime(url: string): Promise<OnnxRuntime> {
  disableTelemetry();
  const module = (await import(url)) as OnnxRuntime & { readonly default?: OnnxRuntime };
  return module.default ?? module;
}

/**
 * onnxruntime-node 1.30 writes usage data into the home and temporary folders unless this variable is set before it
 * loads. In a user's worker whose environment is a copy, the variable has no effect.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
}
