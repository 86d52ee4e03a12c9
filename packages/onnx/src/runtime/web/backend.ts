import type { Backend } from "@residual/core";
import { backendOn } from "../../backend.ts";
import type { OnnxDevice, OnnxOptions } from "../../options.ts";
import { webRuntime } from "./runtime.ts";

/**
 * ONNX Runtime in browsers, through onnxruntime-web, in a worker, on the CPU (WebAssembly) or on WebGPU. The
 * executables of one backend share a worker, which starts with the first `compile` and ends 10 seconds after the last
 * `dispose`.
 *
 * `compile` optimizes; onnxruntime fuses convolutions by itself. Throws UnsupportedError if `threads` is out of range,
 * or above 1 on a page without cross-origin isolation. `describe` and `compile` throw BackendUnavailableError if
 * onnxruntime-web, its worker or the device is missing.
 */
export function onnx(options: OnnxOptions = {}): Backend<"float32"> {
  const { device = "cpu" } = options;
  return backendOn(device === "cpu" ? "onnx" : `onnx-${device}`, webRuntime(options));
}

/** The command that installs a device's npm packages. */
export function installOf(_device: OnnxDevice): string {
  return "npm install onnxruntime-web";
}
