import { tfjs } from "@residual/tfjs";
import { conforms } from "./vitest.ts";

/** The workhorse: every level, all models that the quick level has. */
await conforms(tfjs({ engine: "wasm" }));

/** Plain JavaScript, 30 times as slow: small models. */
await conforms(tfjs({ engine: "cpu" }), { models: ["cifar_resnet20", "seed000_block_s2"] });
