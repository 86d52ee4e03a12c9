import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

/** A shader is compiled for each shape, on SwiftShader: what has many shapes takes minutes. */
await conforms(tfjs({ engine: "webgl" }), {
  only: ["ops", "nodes", "models"],
  without: ["ops/PyTorch's answers", "ops/random shapes", "ops/layers of the family"],
  models: ["cifar_resnet20", "paddle_unit_s2"],
});
