import { onnx } from "@residual/onnx";
import { later } from "../testing/later.ts";
import { conforms } from "../vitest.ts";

/** Runs on SwiftShader, which takes minutes for the layers of the family. */
await conforms(onnx({ device: "webgpu" }), {
  only: ["ops", "nodes", "models"],
  without: [
    "ops/PyTorch's answers",
    "ops/random shapes",
    "ops/layers of the family",
    ...later("nodes/cifar_resnet20/as built, 1×3×32×32"),
  ],
  models: ["cifar_resnet20", "paddle_unit_s2"],
});
