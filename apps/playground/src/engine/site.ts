import tfjsSimd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";

/** The folder of the page, for workers: their code lies one below it in the built page. */
export const page = new URL(import.meta.env.DEV ? "/" : "../", self.location.href);

/** Without the file for threads: TensorFlow.js starts them from the text of a function that a bundler has renamed. */
export const wasmPaths = { tfjs: { "tfjs-backend-wasm-simd.wasm": tfjsSimd } };

/** A picture of more pixels takes a gigabyte while it is decoded, which phones do not give a page. */
export const MAX_PIXELS = 64e6;
