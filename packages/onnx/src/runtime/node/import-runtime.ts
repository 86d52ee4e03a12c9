import type { OnnxRuntime } from "../inference.ts";

/** The package is CommonJS, which a dynamic import wraps. */
export async function importRuntime(url: string): Promise<OnnxRuntime> {
  disableTelemetry();
  const module = (await import(url)) as OnnxRuntime & { readonly default?: OnnxRuntime };
  return module.default ?? module;
}

/**
 * onnxruntime-node 1.30 keeps usage data in the home and temporary folders unless told not to, before it loads. It is
 * not told from a user's worker whose environment is a copy.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
}
