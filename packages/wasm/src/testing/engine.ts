import { MEMORY, type ModuleBuilder, type Target } from "../encode/module.ts";
import { compileModule, Engine, makeMemory } from "../engine.ts";
import { encodeKernel, type Kernel } from "../kernels/kernel.ts";

/** The part of the platform's WebAssembly that tests use: the package is checked without the DOM. */
interface Memory {
  readonly buffer: ArrayBuffer;
}
type Exports = { readonly [name: string]: (...values: readonly number[]) => void };
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => Memory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
  readonly RuntimeError: new () => Error;
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
};

/** What a trap is, such as an address outside of memory. */
export const { RuntimeError } = WebAssembly;

const PAGE = 65536;

export function memoryOf(bytes: number): Memory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
}

export function isValid(bytes: Uint8Array<ArrayBuffer>): boolean {
  return WebAssembly.validate(bytes);
}

/** The functions of a module over a memory. */
export function instance(bytes: Uint8Array<ArrayBuffer>, memory: Memory): Exports {
  const [from, what] = MEMORY;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { [from]: { [what]: memory } }).exports;
}

/** Runs the function `run` of a module over a memory of one page. Answers with the memory. */
export function runOnce(module: ModuleBuilder, ...values: readonly number[]): DataView {
  const memory = memoryOf(PAGE);
  instance(module.encode(), memory).run!(...values);
  return new DataView(memory.buffer);
}

/** A new memory with kernels that work on it. */
export async function engineOf(target: Target, bytes: number, kernels: readonly Kernel[]): Promise<Engine> {
  const engine = new Engine(makeMemory(bytes, target.isShared));
  for (const kernel of kernels) engine.add([[kernel.name, await compileModule(encodeKernel(kernel, target))]]);
  return engine;
}
