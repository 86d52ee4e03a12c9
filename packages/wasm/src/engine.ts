import { v128 } from "./encode/expression.ts";
import type { Instructions } from "./encode/function.ts";
import { MEMORY, MOST_PAGES, ModuleBuilder } from "./encode/module.ts";

/** The part of the platform's WebAssembly that is used here: the package is checked without the DOM. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
/** A compiled module, which threads give to one another. */
export type WasmModule = object;
type Exports = { readonly [name: string]: (...values: readonly number[]) => void };
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: Exports };
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule>;
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
};

/** Bytes by which memories are measured. */
export const PAGE = 65536;

/** All that 32 bits address: 4 GiB. */
export const MOST_BYTES = MOST_PAGES * PAGE;

/** `node --jitless` and some locked-down pages have none. */
export function hasWebAssembly(): boolean {
  return typeof WebAssembly === "object";
}

/** A module that uses SIMD: with the plain instructions, or with those of relaxed SIMD. */
export function probe(instructions: Instructions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ instructions, isShared: false });
  module.function([], (body) => body.addProduct(body.local("v128"), v128.const(1), v128.const(1)));
  return module.encode();
}

/** Whether the engine knows all that a module uses. It rejects a module with one instruction that it lacks. */
export function isValid(module: Uint8Array<ArrayBuffer>): boolean {
  return WebAssembly.validate(module);
}

/** Throws the engine's own error where the module is invalid, or the platform forbids to compile. */
export function compileModule(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule> {
  return WebAssembly.compile(bytes);
}

/** Throws a RangeError where there is no memory of that size. */
export function makeMemory(bytes: number, isShared: boolean): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE), maximum: MOST_PAGES, shared: isShared });
}

/** Makes a memory at least so large. Throws a RangeError where that is too much. */
export function growMemory(memory: WasmMemory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
  if (missing > 0) memory.grow(missing);
}

/** A memory, and modules that work on it. Each thread has an engine of its own; they may share the memory. */
export class Engine {
  readonly memory: WasmMemory;
  readonly #modules = new Map<string, WasmModule>();
  readonly #exports = new Map<string, Exports>();

  constructor(memory: WasmMemory) {
    this.memory = memory;
  }

  /** Compiled modules, by the names of their kernels. Each is instantiated when it is first called. */
  add(modules: Iterable<readonly [kernel: string, module: WasmModule]>): void {
    for (const [kernel, module] of modules) this.#modules.set(kernel, module);
  }

  has(kernel: string): boolean {
    return this.#modules.has(kernel);
  }

  modules(): readonly (readonly [kernel: string, module: WasmModule])[] {
    return [...this.#modules];
  }

  /** Calls a function of a kernel that was added. */
  call(kernel: string, name: string, values: readonly number[]): void {
    const exports = this.#exports.get(kernel) ?? this.#instantiate(kernel);
    exports[name]!(...values);
  }

  #instantiate(kernel: string): Exports {
    const [from, what] = MEMORY;
    const { exports } = new WebAssembly.Instance(this.#modules.get(kernel)!, { [from]: { [what]: this.memory } });
    this.#exports.set(kernel, exports);
    return exports;
  }

  /**
   * Makes memory at least so large. Views of memory that is not shared are detached. Throws a RangeError where that is
   * too much.
   */
  reserve(bytes: number): void {
    growMemory(this.memory, bytes);
  }

  /** Numbers of memory, to read or to write. */
  numbers(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** A copy of numbers of memory. */
  copyOf(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.numbers(address, length));
  }

  /** Moves numbers. All are read before any is written. */
  move(moves: readonly Move[]): void {
    const read = moves.map(({ from, length }) => this.copyOf(from, length));
    for (const [at, { to, length }] of moves.entries()) this.numbers(to, length).set(read[at]!);
  }
}

/** Numbers of memory to be copied; addresses in bytes. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}
