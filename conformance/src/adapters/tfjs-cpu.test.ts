import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

/** Plain JavaScript, 30 times slower than wasm: small models, no 200 rounds. */
await conforms(tfjs({ engine: "cpu" }), {
  models: ["cifar_resnet20", "paddle_unit_s2"],
  without: ["ops/layers of the family", "behaviour/life"],
});
