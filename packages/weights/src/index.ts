export * from "./exports.ts";
export { readWeights } from "./read-weights.ts";
export { writeNpz } from "./write-npz.ts";
export { writePyTorch } from "./write-pytorch.ts";
export { writeSafetensors } from "./write-safetensors.ts";
