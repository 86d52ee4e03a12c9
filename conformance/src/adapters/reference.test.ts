import { reference } from "@residual/core";
import { conforms } from "../vitest.ts";

await conforms(reference, { only: ["ops", "models", "behaviour"], models: ["cifar_resnet20", "paddle_unit_s2"] });
