import { webgpu } from "@residual/webgpu";
import { softwareGpu } from "@residual/webgpu-software";
import { conforms } from "./vitest.ts";

/** SwiftShader: slow, and the same on every machine. Small models, then, and no 200 rounds. */
const models = ["cifar_resnet20", "seed000_block_s2"] as const;
const backend = webgpu({ gpu: await softwareGpu() });

await conforms(backend, { only: ["ops", "nodes", "models"], models });

/** GPUs' kernels, for lack of a GPU on the same adapter. */
const gpus = { ...webgpu({ gpu: await softwareGpu(), kernels: "gpu" }), name: "webgpu, kernels of GPUs" };
await conforms(gpus, { only: ["ops", "models"], models });
