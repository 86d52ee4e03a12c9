import { reference } from "@residual/core";
import { later } from "../testing/later.ts";
import { conforms } from "../vitest.ts";

await conforms(reference, {
  only: ["ops", "models", "behaviour"],
  models: ["cifar_resnet20", "paddle_unit_s2"],
  without: later("behaviour/life"),
});
/** The tests of core hold the recorded steps. A node alone is the reference's own answer. */
await conforms(reference, {
  only: ["train"],
  without: ["train/ops on random shapes", "train/nodes of a step", "train/three steps"],
});
