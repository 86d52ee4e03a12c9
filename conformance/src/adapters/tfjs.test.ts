import { tfjs } from "@residual/tfjs";
import { conforms } from "../vitest.ts";

const wasm = tfjs({ engine: "wasm" });

await conforms(wasm, { only: ["ops", "nodes", "behaviour"] });
await conforms(wasm, { level: "full", only: ["models"] });
