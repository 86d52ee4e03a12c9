import {
  BackendUnavailableError,
  checkMemory,
  describeValue,
  memoryError,
  OutOfMemoryError,
  UnsupportedError,
} from "@residual/core";
import type { Instructions } from "./encode/function.ts";
import type { Target } from "./encode/module.ts";
import { compileModule, hasWebAssembly, isValid, MOST_BYTES, probe, type WasmModule } from "./engine.ts";
import { encodeKernel, type Kernel } from "./kernels/kernel.ts";

/** The part of the platforms' global scopes that Residual uses; the package is checked without the DOM's types. */
interface Platform {
  readonly SharedArrayBuffer?: unknown;
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly process?: { getBuiltinModule?(name: "node:os"): { availableParallelism(): number } | undefined };
}
const platform: Platform = globalThis;

/** Cores available to this process. */
export function cores(): number {
  const os = platform.process?.getBuiltinModule?.("node:os");
  return os?.availableParallelism() ?? platform.navigator?.hardwareConcurrency ?? 1;
}

/** Whether threads may share memory; a page needs cross-origin isolation. */
export function canShare(): boolean {
  return platform.SharedArrayBuffer !== undefined && platform.crossOriginIsolated !== false;
}

/** Whether this engine has relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return hasWebAssembly() && isValid(probe("relaxed madd"));
}

/** Throws BackendUnavailableError if WebAssembly is missing, has no SIMD, or may not be compiled. */
export async function checkPlatform(): Promise<void> {
  if (!hasWebAssembly()) {
    throw new BackendUnavailableError(
      "wasm: there is no WebAssembly here; Node started with --jitless, and browsers in a lockdown mode, have none: " +
        'start it without, or take the backend "reference"',
    );
  }
  if (!isValid(probe("mul and add"))) {
    throw new BackendUnavailableError(
      "wasm: this engine's WebAssembly has no SIMD; it takes Chrome 91, Firefox 89, Safari 16.4, Node 16.4, " +
        "Deno 1.9, Bun 1.0 or a newer one",
    );
  }
  await compiled(probe("mul and add"));
}

/** Compiles a kernel. Throws BackendUnavailableError if the platform forbids compiling. */
export function moduleOf(kernel: Kernel, target: Target): Promise<WasmModule> {
  return compiled(encodeKernel(kernel, target));
}

async function compiled(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule> {
  try {
    return await compileModule(bytes);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    if (!isValid(bytes)) throw new Error(`wasm: a module is invalid (internal error; please report it): ${found}`);
    throw new BackendUnavailableError(
      `wasm: this platform does not compile WebAssembly (${found}), as a page whose Content-Security-Policy lacks ` +
        "'wasm-unsafe-eval'; add 'wasm-unsafe-eval' to its script-src, or, in a Cloudflare worker, give a module made " +
        "ahead: wasm({ module })",
      { cause },
    );
  }
}

/**
 * Allocates memory of some bytes for `what`. Throws OutOfMemoryError; before any allocation if the size is known to be
 * too large.
 */
export async function allocated<T>(bytes: number, what: string, make: () => T | Promise<T>): Promise<T> {
  const wayOut = "take a smaller model, batch or image, or a backend that is not limited to 4 GiB, such as onnx";
  if (bytes > MOST_BYTES) {
    throw new OutOfMemoryError(
      `wasm: ${what} needs ${(bytes / 1e9).toPrecision(3)} GB, and WebAssembly has 4.29 GB (4 GiB) at most; ${wayOut}`,
    );
  }
  checkMemory(bytes, `wasm: ${what}`, wayOut);
  try {
    return await make();
  } catch (error) {
    throw memoryError(error, `wasm: ${what}`, wayOut);
  }
}

export function checkInstructions(instructions: Instructions | undefined): void {
  if (instructions === undefined || instructions === "relaxed madd" || instructions === "mul and add") return;
  throw new UnsupportedError(
    `wasm: instructions is ${describeValue(instructions)}, expected "relaxed madd" or "mul and add"`,
  );
}

/** Throws UnsupportedError for invalid numbers of threads, and for numbers that the page may not use. */
export function checkThreads(threads: number | undefined): void {
  if (threads === undefined) return;
  const most = 4 * cores();
  if (!(Number.isSafeInteger(threads) && threads >= 1 && threads <= most)) {
    const range = `a whole number from 1 to ${most}, four times this machine's cores`;
    throw new UnsupportedError(`wasm: threads is ${describeValue(threads)}, expected ${range}`);
  }
  if (threads === 1 || canShare()) return;
  throw new UnsupportedError(
    `wasm: threads is ${threads}, and a page without cross-origin isolation may have one; serve it with the headers ` +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
  );
}
