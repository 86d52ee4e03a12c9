import type { Backend } from "@residual/core";
import { backendOn } from "../../backend.ts";
import type { OnnxOptions } from "../../options.ts";
import { nodeRuntime } from "./runtime.ts";

/**
 * ONNX Runtime in Node, through onnxruntime-node, on the CPU or another of its devices. Short runs on the CPU are
 * carried out on the caller's thread; all others in a thread for each executable, which `compile` starts, so that the
 * event loop goes on.
 *
 * `compile` optimizes; norms are folded while weights stream from their file, and onnxruntime fuses convolutions by
 * itself.
 *
 * A worker thread of the caller's must not be terminated while a run or a compile of its own is under way, nor the main
 * thread exit then: onnxruntime-node ends the whole process (SIGABRT), and a thread that is terminated runs no code
 * that could prevent it. Dispose the executable first, or use a child process.
 *
 * Throws UnsupportedError where `threads` is out of range. `describe` and `compile` throw BackendUnavailableError where
 * the package or the device is missing.
 */
export function onnx(options: OnnxOptions = {}): Backend<"float32"> {
  const { device = "cpu" } = options;
  return backendOn(device === "cpu" ? "onnx" : `onnx-${device}`, nodeRuntime(options));
}
