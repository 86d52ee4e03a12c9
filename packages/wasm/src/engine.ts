import { v128 } from "./encode/expression.ts";
import type { Instructions } from "./encode/function.ts";
import { MEMORY, MOST_PAGES, ModuleBuilder } from "./encode/module.ts";

/** The part of the platform's WebAssembly that Residual uses; the package is checked without the DOM's types. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
/** A compiled module, which can be sent to threads. */
export type WasmModule = object;
type Exports = { readonly [name: string]: (...values: readonly number[]) => void };
declare const TextDecoder: new () => { decode(bytes: ArrayBuffer): string };
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: Exports };
  readonly Module: { customSections(module: WasmModule, name: string): readonly ArrayBuffer[] };
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule>;
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
};

/** Bytes of a page, the unit of memory sizes. */
export const PAGE = 65536;

/** The limit of 32-bit addresses: 4 GiB. */
export const MOST_BYTES = MOST_PAGES * PAGE;

/** Undefined with `node --jitless` and in some lockdown modes. */
export function hasWebAssembly(): boolean {
  return typeof WebAssembly === "object";
}

/** A module that uses SIMD, plain or relaxed. */
export function probe(instructions: Instructions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ instructions, isShared: false });
  module.function([], (body) => body.addProduct(body.local("v128"), v128.const(1), v128.const(1)));
  return module.encode();
}

/** Whether the engine supports all instructions of a module. It rejects a module with an unknown instruction. */
export function isValid(module: Uint8Array<ArrayBuffer>): boolean {
  return WebAssembly.validate(module);
}

/** Throws the engine's error if the module is invalid, or the platform forbids compiling. */
export function compileModule(bytes: Uint8Array<ArrayBuffer>): Promise<WasmModule> {
  return WebAssembly.compile(bytes);
}

/** Throws RangeError if the memory cannot be allocated. */
export function makeMemory(bytes: number, isShared: boolean): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE), maximum: MOST_PAGES, shared: isShared });
}

/** Grows a memory to at least this size. Throws RangeError if that fails. */
export function growMemory(memory: WasmMemory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
  if (missing > 0) memory.grow(missing);
}

function instanceOf(module: WasmModule, memory: WasmMemory): Exports {
  const [from, what] = MEMORY;
  return new WebAssembly.Instance(module, { [from]: { [what]: memory } }).exports;
}

/** The texts of a module's custom sections of a name. Throws TypeError for another value than a module. */
export function customTexts(module: WasmModule, section: string): readonly string[] {
  return WebAssembly.Module.customSections(module, section).map((bytes) => new TextDecoder().decode(bytes));
}

/** A memory, and modules that work on it. Each thread has a separate engine; engines may share memory. */
export class Engine {
  readonly memory: WasmMemory;
  readonly #modules = new Map<string, WasmModule>();
  readonly #exports = new Map<string, Exports>();

  constructor(memory: WasmMemory) {
    this.memory = memory;
  }

  /** Compiled modules, by kernel name. Each is instantiated at its first call. */
  add(modules: Iterable<readonly [kernel: string, module: WasmModule]>): void {
    for (const [kernel, module] of modules) this.#modules.set(kernel, module);
  }

  /** The kernels of one module, whose exports are named `kernel/function`. */
  addWhole(module: WasmModule): void {
    const kernels = new Map<string, { [name: string]: Exports[string] }>();
    for (const [text, call] of Object.entries(instanceOf(module, this.memory))) {
      const end = text.lastIndexOf("/");
      const kernel = text.slice(0, end);
      kernels.set(kernel, { ...kernels.get(kernel), [text.slice(end + 1)]: call });
    }
    for (const [kernel, exports] of kernels) this.#exports.set(kernel, exports);
  }

  has(kernel: string): boolean {
    return this.#modules.has(kernel) || this.#exports.has(kernel);
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
    const exports = instanceOf(this.#modules.get(kernel)!, this.memory);
    this.#exports.set(kernel, exports);
    return exports;
  }

  /** Grows the memory to at least this size. Views of unshared memory are detached. Throws RangeError if that fails. */
  reserve(bytes: number): void {
    growMemory(this.memory, bytes);
  }

  /** A view of numbers in memory, to read or write. */
  numbers(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** A copy of numbers in memory. */
  copyOf(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.numbers(address, length));
  }

  /** Moves numbers. All are read before any is written. */
  move(moves: readonly Move[]): void {
    const read = moves.map(({ from, length }) => this.copyOf(from, length));
    for (const [at, { to, length }] of moves.entries()) this.numbers(to, length).set(read[at]!);
  }
}

/** Numbers in memory to copy; addresses in bytes. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}
