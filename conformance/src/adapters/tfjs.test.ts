import { tfjs } from "@residual/tfjs";
import { everyGolden, heldModels } from "../testing/held-goldens.ts";
import { conforms } from "../vitest.ts";

const wasm = tfjs({ engine: "wasm" });

const largerRun = "train/three steps/resnext14_32x4d_8x3x32x32";
const without = everyGolden ? [] : [largerRun];
await conforms(wasm, { only: ["ops", "nodes", "behaviour", "train"], without });
await conforms(wasm, { level: "full", only: ["models"], ...(await heldModels()) });
