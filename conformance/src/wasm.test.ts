import { wasm } from "@residual/wasm";
import { conforms } from "./vitest.ts";

await conforms(wasm(), { models: ["cifar_resnet20", "paddle_unit_s2"] });
