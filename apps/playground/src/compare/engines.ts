import type { BackendName } from "@residual/pipeline";

/** A backend of browsers, as the room shows it before anything of it is fetched. */
export interface Engine {
  readonly name: EngineName;
  readonly backend: BackendName;
  readonly about: string;
  readonly runsOn: "CPU" | "GPU";
  /** Megabytes of the code that it fetches, before compression. */
  readonly megabytes: number;
}

export type EngineName =
  | "wasm"
  | "webgpu"
  | "onnx"
  | "onnx-webgpu"
  | "tfjs-wasm"
  | "tfjs-webgl"
  | "tfjs-webgpu"
  | "broken";

/** In the order of the table. */
export const engines: readonly Engine[] = [
  { name: "wasm", backend: "wasm", about: "Residual's own WebAssembly", runsOn: "CPU", megabytes: 0.1 },
  { name: "webgpu", backend: "webgpu", about: "Residual's own WebGPU", runsOn: "GPU", megabytes: 0.1 },
  { name: "onnx", backend: "onnx", about: "ONNX Runtime, WebAssembly", runsOn: "CPU", megabytes: 14 },
  { name: "onnx-webgpu", backend: "onnx-webgpu", about: "ONNX Runtime, WebGPU", runsOn: "GPU", megabytes: 27 },
  { name: "tfjs-wasm", backend: "tfjs-wasm", about: "TensorFlow.js, WebAssembly", runsOn: "CPU", megabytes: 1 },
  { name: "tfjs-webgl", backend: "tfjs-webgl", about: "TensorFlow.js, WebGL", runsOn: "GPU", megabytes: 1 },
  { name: "tfjs-webgpu", backend: "tfjs-webgpu", about: "TensorFlow.js, WebGPU", runsOn: "GPU", megabytes: 1 },
];

/** The engine with a fault that is planted in it. */
export const broken: Engine = {
  name: "broken",
  backend: "wasm",
  about: "wasm, with a fault planted in it",
  runsOn: "CPU",
  megabytes: 0.1,
};
