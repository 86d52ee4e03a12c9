/** The folder of the page, for workers: their code lies one below it in the built page. */
export const page = new URL(import.meta.env.DEV ? "/" : "../", self.location.href);

/** TensorFlow.js' WebAssembly, which the build copies there. */
export const wasmPaths = { tfjs: new URL("tfjs/", page).href };

/** A picture of more pixels takes a gigabyte while it is decoded, which phones do not give a page. */
export const MAX_PIXELS = 64e6;
