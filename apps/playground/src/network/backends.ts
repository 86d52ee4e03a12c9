import type { BackendName } from "@residual/pipeline";

export interface OfferedBackend {
  readonly name: BackendName | "auto";
  readonly words: string;
  /** Bytes that are fetched when it is first chosen, compressed with gzip. A test compares them. */
  readonly bytes?: number;
}

/** A backend that the room Compare compares. */
interface ComparedBackend extends OfferedBackend {
  readonly name: BackendName;
  readonly runsOn: "CPU" | "GPU";
  readonly bytes: number;
}

/** In the order of the comparison's table. */
export const comparedBackends = [
  { name: "wasm", words: "Residual's WebAssembly, generated for the network", runsOn: "CPU", bytes: 28e3 },
  { name: "webgpu", words: "Residual's WebGPU kernels", runsOn: "GPU", bytes: 30e3 },
  { name: "onnx", words: "onnxruntime-web, WebAssembly", runsOn: "CPU", bytes: 3.73e6 },
  { name: "onnx-webgpu", words: "onnxruntime-web, WebGPU", runsOn: "GPU", bytes: 6.75e6 },
  { name: "tfjs-wasm", words: "TensorFlow.js, WebAssembly", runsOn: "CPU", bytes: 280e3 },
  { name: "tfjs-webgl", words: "TensorFlow.js, WebGL", runsOn: "GPU", bytes: 195e3 },
  { name: "tfjs-webgpu", words: "TensorFlow.js, WebGPU", runsOn: "GPU", bytes: 175e3 },
] as const satisfies readonly ComparedBackend[];

/** The backends that run in a page. */
export const offeredBackends: readonly OfferedBackend[] = [
  { name: "auto", words: "The quickest that works here: WebGPU on a hardware GPU, else WebAssembly" },
  ...comparedBackends,
  { name: "reference", words: "The float64 reference: exact, in plain JavaScript, and about 100 times slower" },
];
