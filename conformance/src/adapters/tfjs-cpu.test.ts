import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

/** Plain JavaScript is 30 times slower than wasm. So the models are small, and the 200 rounds are left out. */
await conforms(tfjs({ engine: "cpu" }), {
  models: ["cifar_resnet20", "paddle_unit_s2"],
  without: [
    "ops/layers of the family",
    "behaviour/life",
    "train/ops on random shapes",
    "train/finite differences",
    "train/nodes of a step",
    "train/three steps",
  ],
});
