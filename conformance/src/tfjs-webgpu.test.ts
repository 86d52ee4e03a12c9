import { tfjs } from "@residual/tfjs";
import { softwareGpu } from "@residual/webgpu-software";
import { conforms } from "./vitest.ts";

/** On SwiftShader, the same on every machine and slow: small models, as for webgpu. */
await conforms(tfjs({ engine: "webgpu", gpu: await softwareGpu() }), {
  only: ["ops", "nodes", "models"],
  models: ["cifar_resnet20", "seed000_block_s2"],
});
