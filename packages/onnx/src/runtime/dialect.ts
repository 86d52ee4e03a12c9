import type { OnnxDialect } from "../model-builder.ts";
import type { OnnxDevice } from "../options.ts";

/** The dialect that models for a device are written in. */
export function dialectOf(device: OnnxDevice): OnnxDialect {
  return device === "webgpu" ? "webgpu" : "standard";
}

/**
 * Options of sessions on anything but the CPU. A node that the device does not run is refused, where onnxruntime
 * would give it to the CPU. WebGPU's convolutions forget padding, so that theirs is an operator of its own
 * (lower-convolution.ts), which is not to be fused into them again.
 */
export function deviceExtra(device: OnnxDevice): {
  readonly optimization: { readonly disable_specified_optimizers: string };
  readonly session: { readonly disable_cpu_ep_fallback: string };
} {
  // Norms are folded already, but for those whose products overflow.
  const disabled = ["ConvBNFusion", ...(device === "webgpu" ? ["Pad_Fusion"] : [])];
  return {
    optimization: { disable_specified_optimizers: disabled.join(";") },
    session: { disable_cpu_ep_fallback: device === "cpu" ? "0" : "1" },
  };
}
