import { onnx } from "@residual/onnx";
import weights from "@residual/weights/known/resnet20-cifar10.safetensors";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm";
import { answers } from "./answers.js";

document.title = await answers(["auto", onnx({ worker: "onnx-worker.js" }), "tfjs-wasm"], {
  weights: new URL(weights, location.href),
  wasmPaths: { tfjs: { "tfjs-backend-wasm-simd.wasm": simd } },
});
