import { answers } from "./answers.js";

const simd = new URL("@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm", import.meta.url).href;
const said = await answers(["auto", "wasm", "onnx", "tfjs-wasm", "reference"], {
  wasmPaths: { tfjs: { "tfjs-backend-wasm-simd.wasm": simd } },
});
const thread = new Worker(new URL("./thread.js", import.meta.url), { type: "module" });
thread.addEventListener("message", ({ data }) => {
  document.title = `${said}, ${data}`;
});
