import { answers } from "./answers.js";

const simd = new URL("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm", import.meta.url).href;

document.title = await answers(["auto", "wasm", "onnx", "tfjs-wasm", "reference"], {
  wasmPaths: { tfjs: { "tfjs-backend-wasm-simd.wasm": simd } },
});
