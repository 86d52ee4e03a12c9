import { tfjs } from "@residual/tfjs";
import { heldModels } from "../testing/held-goldens.ts";
import { later } from "../testing/later.ts";
import { conforms } from "../vitest.ts";

const wasm = tfjs({ engine: "wasm" });

const without = later("train/three steps/resnext14_32x4d_8x3x32x32");
await conforms(wasm, { only: ["ops", "nodes", "behaviour", "train"], without });
await conforms(wasm, { level: "full", only: ["models"], ...(await heldModels()) });
