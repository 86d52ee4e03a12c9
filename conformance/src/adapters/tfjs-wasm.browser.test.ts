import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

const wasmPaths = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/"; // the server's root is this package

await conforms(tfjs({ engine: "wasm", wasmPaths }), {
  models: ["cifar_resnet20", "paddle_unit_s2"],
  without: ["train"], // as in Node
});
