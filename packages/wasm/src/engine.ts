import { BackendUnavailableError, memoryError, OutOfMemoryError } from "@residual/core";
import { v128 } from "./encode/expression.ts";
import { MEMORY, MOST_PAGES, ModuleBuilder, type Target } from "./encode/module.ts";
import type { Kernel } from "./kernels/kernel.ts";

/** The part of the platform's WebAssembly that is used here: the package is checked without the DOM. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
type WasmModule = object;
type Exports = { readonly [name: string]: (...values: readonly number[]) => void };
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared?: boolean }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: Exports };
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule>;
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
};

const PAGE = 65536;

/**
 * Whether this engine has relaxed SIMD, by a function that uses it. One without rejects the whole module. Throws
 * BackendUnavailableError where there is no WebAssembly, or none with SIMD.
 */
export function hasRelaxedSimd(): boolean {
  if (typeof WebAssembly === "undefined")
    throw new BackendUnavailableError("wasm: there is no WebAssembly here; take reference");
  if (validates("relaxed madd")) return true;
  if (validates("mul and add")) return false;
  throw new BackendUnavailableError("wasm: the WebAssembly here has no SIMD; update the engine, or take reference");
}

function validates(instructions: Target["instructions"]): boolean {
  const module = new ModuleBuilder({ instructions, isShared: false });
  module.function([], (body) => body.addProduct(body.local("v128"), v128.const(1), v128.const(1)));
  return WebAssembly.validate(module.encode());
}

/** One memory, and the modules that work on it. */
export class Engine {
  readonly #target: Target;
  readonly #memory: WasmMemory;
  readonly #exports = new Map<string, Exports>();

  /** Throws OutOfMemoryError where there is no memory of that size. */
  constructor(target: Target, bytes: number) {
    this.#target = target;
    this.#memory = memoryOf(bytes, target.isShared);
  }

  /** Compiles kernels. Throws BackendUnavailableError where the platform forbids it. */
  async add(kernels: Iterable<Kernel>): Promise<void> {
    const missing = new Map<string, Kernel>();
    for (const kernel of kernels) if (!this.#exports.has(kernel.name)) missing.set(kernel.name, kernel);
    const [from, what] = MEMORY;
    await Promise.all(
      [...missing.values()].map(async (kernel) => {
        const module = await compiled(kernel.emit(this.#target));
        const { exports } = new WebAssembly.Instance(module, { [from]: { [what]: this.#memory } });
        this.#exports.set(kernel.name, exports);
      }),
    );
  }

  /** Calls a function of a kernel that was added. */
  call(kernel: string, name: string, values: readonly number[]): void {
    this.#exports.get(kernel)![name]!(...values);
  }

  /** Makes memory at least so large. What was given out before is no longer the memory's. */
  reserve(bytes: number): void {
    const missing = Math.ceil(bytes / PAGE) - this.#memory.buffer.byteLength / PAGE;
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (error) {
      throw memoryError(error, "wasm: a run", "take a smaller batch or image");
    }
  }

  /** Numbers of memory, to read or to write. */
  numbers(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, address, length);
  }
}

function memoryOf(bytes: number, isShared: boolean): WasmMemory {
  const initial = Math.ceil(bytes / PAGE);
  const wayOut = "take a smaller model, batch or image, or a backend that is not limited to 4 GiB";
  if (initial > MOST_PAGES) {
    throw new OutOfMemoryError(
      `wasm: the graph needs ${(bytes / 1e9).toPrecision(3)} GB, and WebAssembly has 4.29 at the most; ${wayOut}`,
    );
  }
  try {
    return new WebAssembly.Memory({ initial, maximum: MOST_PAGES, ...(isShared && { shared: true }) });
  } catch (error) {
    throw memoryError(error, "wasm: the graph", wayOut);
  }
}

async function compiled(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new BackendUnavailableError(
      `wasm: this platform does not compile WebAssembly (${found}); where a page's Content-Security-Policy forbids it, ` +
        "add 'wasm-unsafe-eval' to its script-src",
      { cause },
    );
  }
}
