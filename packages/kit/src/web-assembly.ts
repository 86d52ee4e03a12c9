/** The part of the platform's WebAssembly that Residual uses; the package is checked without the DOM's types. */
interface Compiler {
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<object>;
}

/** The smallest module: magic number and version. */
const EMPTY = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/**
 * Why this page or worker cannot compile WebAssembly, with the way out; undefined if it can. Asked before a library is,
 * since libraries write to the console, and take the refusal for a missing file.
 */
export async function webAssemblyRefusal(): Promise<string | undefined> {
  const { WebAssembly: compiler } = globalThis as { WebAssembly?: Compiler };
  if (!compiler) return "there is no WebAssembly here: browsers in a lockdown mode, and node --jitless, have none";
  try {
    await compiler.compile(new Uint8Array(EMPTY));
    return undefined;
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    return (
      `this page or worker does not compile WebAssembly (${found}); add 'wasm-unsafe-eval' to the script-src of its ` +
      "Content-Security-Policy"
    );
  }
}
