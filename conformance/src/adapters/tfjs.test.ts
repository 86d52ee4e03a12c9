import { tfjs } from "@residual/tfjs";
import { heldModels } from "../testing/held-goldens.ts";
import { conforms } from "../vitest.ts";

const wasm = tfjs({ engine: "wasm" });

await conforms(wasm, { only: ["ops", "nodes", "behaviour"] });
await conforms(wasm, { level: "full", only: ["models"], ...(await heldModels()) });
