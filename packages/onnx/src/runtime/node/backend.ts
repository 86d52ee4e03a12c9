import type { Backend } from "@residual/core";
import { backendOn } from "../../backend.ts";
import type { OnnxOptions } from "../../options.ts";
import { nodeRuntime } from "./runtime.ts";

/**
 * ONNX Runtime on the CPU, through onnxruntime-node. Runs in a thread per executable, so that the event loop goes on; the
 * thread is started by `compile`.
 *
 * `compile` optimizes; norms are folded while weights stream from their file, and onnxruntime fuses convolutions by itself.
 * Throws UnsupportedError where `threads` is out of range.
 */
export function onnx(options: OnnxOptions = {}): Backend {
  return backendOn("onnx", nodeRuntime(options));
}
