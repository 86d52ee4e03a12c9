import { onnx } from "@residual/onnx";
import { tfjs } from "@residual/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { answers } from "./answers.js";

const simd = new URL("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm", import.meta.url).href;

document.title = await answers([
  "auto",
  onnx({ worker: () => new Worker(new URL("@residual/onnx/worker", import.meta.url), { type: "module" }) }),
  tfjs({ engine: "wasm", tf: { ...tf, setWasmPaths }, wasmPaths: { "tfjs-backend-wasm-simd.wasm": simd } }),
  "reference",
]);
