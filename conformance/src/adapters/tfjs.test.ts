import { tfjs } from "@residual/tfjs";
import { ciModels } from "../testing/ci-goldens.ts";
import { conforms } from "../vitest.ts";

const wasm = tfjs({ engine: "wasm" });

await conforms(wasm, { only: ["ops", "nodes", "behaviour"] });
await conforms(wasm, { level: "full", only: ["models"], models: await ciModels() });
