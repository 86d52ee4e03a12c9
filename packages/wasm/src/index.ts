export { wasmModule } from "./ahead.ts";
export { wasm } from "./backend.ts";
export type { WasmOptions } from "./options.ts";
