import { tfjs } from "@residual/tfjs";
import { conforms } from "./vitest.ts";

const wasm = tfjs({ engine: "wasm" });

await conforms(wasm);
await conforms(wasm, { level: "full", only: ["models"] });
