import { softwareGpu } from "@residual/webgpu-software";
import { webgpu } from "./index.ts";
import { computesGradients } from "./testing/gradient-layers.ts";

const gpu = await softwareGpu();

computesGradients("SwiftShader", webgpu({ gpu }), [/^interleave$/, /lanes$/, /in fours$/]);
computesGradients("kernels of GPUs", webgpu({ gpu, kernels: "gpu" }), [
  /^interleave$/,
  /^conv2d in shared/,
  /in fours$/,
  /^weight gradient in shared/,
  /^weight gradient 4/,
]);
computesGradients("plain kernels", webgpu({ gpu, kernels: "plain" }), [
  /^conv2dInputGradient$/,
  /^conv2dWeightGradient$/,
]);
