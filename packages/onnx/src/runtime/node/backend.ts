import type { Backend } from "@residual/core";
import { backendOn } from "../../backend.ts";
import type { OnnxOptions } from "../../options.ts";
import { nodeRuntime } from "./runtime.ts";

/**
 * ONNX Runtime in Node, through onnxruntime-node, on the CPU or another of its devices. Short runs on the CPU execute
 * on the caller's thread. All others execute in a worker thread for each executable, which `compile` starts, so that
 * the event loop is not blocked.
 *
 * `compile` optimizes; norms are folded while weights stream from their file, and onnxruntime fuses convolutions by
 * itself.
 *
 * If you use this backend in a worker thread of yours, do not terminate the thread, nor exit the main thread, during a
 * run or compile: onnxruntime-node aborts the whole process (SIGABRT), and a terminated thread cannot run code to
 * prevent it. Dispose the executable first, or use a child process.
 *
 * Throws UnsupportedError if `threads` is out of range. `describe` and `compile` throw BackendUnavailableError if the
 * package or the device is missing.
 */
export function onnx(options: OnnxOptions = {}): Backend<"float32"> {
  const { device = "cpu" } = options;
  return backendOn(device === "cpu" ? "onnx" : `onnx-${device}`, nodeRuntime(options));
}
