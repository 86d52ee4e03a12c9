import { tfjs } from "@residual/tfjs";
import { softwareGpu } from "@residual/webgpu-software";
import { conforms } from "../vitest.ts";

/** On SwiftShader, the same on every machine, which takes minutes for whole layers of the family. */
await conforms(tfjs({ engine: "webgpu", gpu: await softwareGpu() }), {
  only: ["ops", "models"],
  without: ["ops/layers of the family"],
  models: ["cifar_resnet20", "paddle_unit_s2"],
});
