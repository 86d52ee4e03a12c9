import { tfjs } from "@residual/tfjs";
import { softwareGpu } from "@residual/webgpu-software";
import { later } from "../testing/later.ts";
import { conforms } from "../vitest.ts";

/** Runs on SwiftShader, which is the same on every machine. The layers of the family would take minutes. */
await conforms(tfjs({ engine: "webgpu", gpu: await softwareGpu() }), {
  only: ["ops", "models"],
  without: ["ops/layers of the family", ...later("models/cifar_resnet20")], // the browser has it
  models: ["cifar_resnet20", "paddle_unit_s2"],
});
