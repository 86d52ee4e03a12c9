import { tfjs } from "@residual/tfjs";
import { conforms } from "./vitest.ts";

const models = ["cifar_resnet20", "seed000_block_s2"] as const;
const wasmPaths = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/"; // the server's root is this package

/** The same sections as in Node, on what a browser has. */
await conforms(tfjs({ engine: "wasm", wasmPaths }), { models });
await conforms(tfjs({ engine: "webgl" }), { only: ["ops", "nodes", "models"], models });
await conforms(tfjs({ engine: "webgpu" }), { only: ["ops", "nodes", "models"], models });
