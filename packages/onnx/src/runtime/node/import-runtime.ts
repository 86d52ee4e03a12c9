import type { OnnxRuntime } from "../inference.ts";

/** The package is CommonJS, which a dynamic import wraps. */
export async function importRuntime(url: string): Promise<OnnxRuntime> {
  // onnxruntime-node 1.30 keeps usage data in the home and temporary folders unless told not to, before it loads.
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  const module = (await import(url)) as OnnxRuntime & { readonly default?: OnnxRuntime };
  return module.default ?? module;
}
