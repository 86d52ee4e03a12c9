import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

/** WebGL compiles a shader for each shape. On SwiftShader sections with many shapes take minutes. */
await conforms(tfjs({ engine: "webgl" }), {
  only: ["ops", "nodes", "models"],
  without: ["ops/PyTorch's answers", "ops/random shapes", "ops/layers of the family"],
  models: ["cifar_resnet20", "paddle_unit_s2"],
});
