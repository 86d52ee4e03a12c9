import { onnx } from "@residual/onnx";
import { tfjs } from "@residual/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { answers } from "./answers.js";

setWasmPaths(new URL("wasm/", location.href).href);

document.title = await answers([
  "auto",
  onnx({ worker: new URL("onnx-worker.js", location.href) }),
  tfjs({ tf, engine: "wasm" }),
  "reference",
]);
