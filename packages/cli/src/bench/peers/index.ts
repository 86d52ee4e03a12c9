import { onnxruntimeNode, onnxruntimeNodeNospin, onnxruntimeNodeWebgpu } from "./onnxruntime-node.ts";
import { onnxruntimeWebWebgpu } from "./onnxruntime-web.ts";
import type { Peer } from "./runner.ts";
import { tfjsWebgpu } from "./tfjs.ts";

export type { Runner } from "./runner.ts";

/** Other people's libraries, each as its own documentation says to use it. */
export const peers: { readonly [name: string]: Peer } = {
  "onnxruntime-node": onnxruntimeNode,
  "onnxruntime-node-nospin": onnxruntimeNodeNospin,
  "onnxruntime-node-webgpu": onnxruntimeNodeWebgpu,
  "tfjs-webgpu": tfjsWebgpu,
  "onnxruntime-web-webgpu": onnxruntimeWebWebgpu,
};

/** Those that one of our backends is to be compared with. */
export const peersOf: { readonly [backend: string]: readonly string[] } = {
  onnx: ["onnxruntime-node", "onnxruntime-node-nospin"],
  webgpu: ["onnxruntime-node-webgpu", "tfjs-webgpu", "onnxruntime-web-webgpu"],
};
