import { webgpu } from "@residual/webgpu";
import { softwareGpu } from "@residual/webgpu-software";
import { pictures } from "./testing/pictures.ts";
import { carriesSpecialValues } from "./testing/special-layers.ts";
import { conforms } from "./vitest.ts";

/** SwiftShader: slow, and the same on every machine. Small models, then. */
const models = ["cifar_resnet20", "seed000_block_s2"] as const;

const backend = webgpu({ gpu: await softwareGpu() });
await conforms(backend, { models, images: await pictures(50) });
carriesSpecialValues("SwiftShader", backend, [/winograd/, /lanes/]);

/**
 * GPUs' kernels, for lack of a GPU on the same adapter; twenty times slower there, so that lavapipe has the layers of the family. How a backend
 * behaves is no matter of kernels.
 */
const shared = webgpu({ gpu: await softwareGpu(), kernels: "gpu" });
const gpus = { ...shared, name: "webgpu, kernels of GPUs" };
await conforms(gpus, {
  models,
  images: await pictures(10),
  only: ["ops", "nodes", "models", "images"],
  without: ["ops/layers of the family"],
});
carriesSpecialValues("kernels of GPUs", shared, [/winograd/, /shared/, /splits/]);

carriesSpecialValues("plain kernels", webgpu({ gpu: await softwareGpu(), kernels: "plain" }), [/^conv2d$/]);
