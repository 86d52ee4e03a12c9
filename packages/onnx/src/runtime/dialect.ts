import type { OnnxDialect } from "../model-builder.ts";
import type { OnnxDevice } from "../options.ts";

/** The dialect that models for a device are written in. */
export function dialectOf(device: OnnxDevice): OnnxDialect {
  return device === "webgpu" ? "webgpu" : "standard";
}

/**
 * Passes of onnxruntime that graphs of ours do without: norms are folded already, but for those that would overflow.
 */
export const foldedAlready: readonly string[] = ["ConvBNFusion"];

/**
 * Options of sessions that leave out some of onnxruntime's passes. On anything but the CPU a node that the device does
 * not run is refused, where onnxruntime would give it to the CPU. WebGPU's convolutions forget padding, so that theirs
 * is an operator of its own (lower-convolution.ts), which is not to be fused into them again.
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
