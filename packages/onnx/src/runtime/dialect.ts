import type { OnnxDialect } from "../model-builder.ts";
import type { OnnxDevice } from "../options.ts";

/** The dialect for a device. */
export function dialectOf(device: OnnxDevice): OnnxDialect {
  return device === "webgpu" ? "webgpu" : "standard";
}

/** Passes of onnxruntime that are not needed: norms are folded already, except norms that would overflow. */
export const foldedAlready: readonly string[] = ["ConvBNFusion"];

/**
 * Options that disable passes of onnxruntime. On every device but the CPU, a node that the device cannot run is
 * refused; onnxruntime would run it on the CPU. WebGPU's convolutions ignore some paddings, so these are separate
 * operators (lower-convolution.ts), which must not be fused again.
 */
export function deviceExtra(
  device: OnnxDevice,
  without: readonly string[],
): {
  readonly optimization: { readonly disable_specified_optimizers: string };
  readonly session: { readonly disable_cpu_ep_fallback: string };
} {
  const disabled = [...without, ...(device === "webgpu" ? ["Pad_Fusion"] : [])];
  return {
    optimization: { disable_specified_optimizers: disabled.join(";") },
    session: { disable_cpu_ep_fallback: device === "cpu" ? "0" : "1" },
  };
}
