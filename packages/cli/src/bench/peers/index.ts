import { onnxruntimeNode, onnxruntimeNodeNospin, onnxruntimeNodeWebgpu } from "./onnxruntime-node.ts";
import { onnxruntimeWebWasm, onnxruntimeWebWebgpu } from "./onnxruntime-web.ts";
import type { Peer } from "./runner.ts";
import {
  tfjsFusedGraphModelWasm,
  tfjsFusedGraphModelWebgpu,
  tfjsGraphModelWasm,
  tfjsGraphModelWebgpu,
} from "./tfjs-graph-model.ts";

export type { Runner } from "./runner.ts";

/** Other libraries, each used as its documentation says. */
export const peers: { readonly [name: string]: Peer } = {
  "onnxruntime-node": onnxruntimeNode,
  "onnxruntime-node-nospin": onnxruntimeNodeNospin,
  "onnxruntime-node-webgpu": onnxruntimeNodeWebgpu,
  "tfjs-graph-model-wasm": tfjsGraphModelWasm,
  "tfjs-graph-model-webgpu": tfjsGraphModelWebgpu,
  "tfjs-fused-graph-model-wasm": tfjsFusedGraphModelWasm,
  "tfjs-fused-graph-model-webgpu": tfjsFusedGraphModelWebgpu,
  "onnxruntime-web-wasm": onnxruntimeWebWasm,
  "onnxruntime-web-webgpu": onnxruntimeWebWebgpu,
};

/** The peers to compare with one of our backends. */
export const peersOf: { readonly [backend: string]: readonly string[] } = {
  onnx: ["onnxruntime-node", "onnxruntime-node-nospin"],
  "onnx-webgpu": ["onnxruntime-node-webgpu"],
  webgpu: ["onnxruntime-node-webgpu", "tfjs-fused-graph-model-webgpu", "onnxruntime-web-webgpu"],
  wasm: ["onnxruntime-web-wasm", "tfjs-fused-graph-model-wasm", "onnxruntime-node"],
  "tfjs-wasm": ["tfjs-graph-model-wasm", "onnxruntime-web-wasm"],
  "tfjs-webgpu": ["tfjs-graph-model-webgpu"],
};
