import { onnx } from "@residual/onnx";
import { wasm } from "@residual/wasm";
import weights from "@residual/weights/known/resnet20-cifar10.safetensors";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm";
import { load } from "residual";

const backends = ["auto", "wasm", wasm({ worker: "worker.js" }), onnx({ worker: "onnx-worker.js" }), "tfjs-wasm"];
const said = [];
for (const backend of backends) {
  await load({
    backend,
    weights: new URL(weights, location.href),
    wasmPaths: { tfjs: { "tfjs-backend-wasm-simd.wasm": simd } },
  }).then(
    ({ backend: { name } }) => said.push(name),
    ({ code, message }) => said.push(`${code}: ${message}`),
  );
}
document.title = said.join("|");
