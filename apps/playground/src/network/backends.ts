import type { BackendName } from "@residual/pipeline";

export interface OfferedBackend {
  readonly name: BackendName | "auto";
  /** What it is, and what is fetched when it is first chosen, compressed. */
  readonly words: string;
}

/** The backends that run in a page. */
export const offeredBackends: readonly OfferedBackend[] = [
  { name: "auto", words: "The quickest that works here: WebGPU on a hardware GPU, else WebAssembly" },
  { name: "wasm", words: "Residual's WebAssembly, generated for the network · 25 kB" },
  { name: "webgpu", words: "Residual's WebGPU kernels, on the GPU · 50 kB" },
  { name: "onnx", words: "onnxruntime-web, WebAssembly · 3.8 MB" },
  { name: "onnx-webgpu", words: "onnxruntime-web, WebGPU · 6.8 MB" },
  { name: "tfjs-wasm", words: "TensorFlow.js, WebAssembly · 0.5 MB" },
  { name: "tfjs-webgl", words: "TensorFlow.js, WebGL · 0.3 MB" },
  { name: "tfjs-webgpu", words: "TensorFlow.js, WebGPU · 0.3 MB" },
];
