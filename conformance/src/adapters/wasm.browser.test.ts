import { wasm } from "@residual/wasm";
import { conforms } from "../vitest.ts";

/** The same modules as in Node (wasm.test.ts), on the browser's engine. */
const models = ["cifar_resnet20", "paddle_unit_s2"] as const;
await conforms(wasm(), { models, without: ["train"] });
await conforms(
  { ...wasm({ instructions: "mul and add", winograd: false }), name: "wasm, mul and add" },
  {
    models,
    only: ["ops", "nodes", "models"],
  },
);
