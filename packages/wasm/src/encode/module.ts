import { name, section, unsigned, utf8, vector, Writer } from "./bytes.ts";
import { type Local, local, valueTypes } from "./expression.ts";
import { Body, type Instructions, type WasmFunction } from "./function.ts";

/** The engine's features that modules are generated for. */
export interface Target {
  readonly instructions: Instructions;
  /** Whether threads share memory. A module is generated for shared or for unshared memory. */
  readonly isShared: boolean;
}

/** In pages of 64 KiB: the limit of 32-bit addresses. */
export const MOST_PAGES = 65536;

/** The import names of the memory in each module. */
export const MEMORY = ["host", "memory"] as const;

interface Parts {
  readonly functions: { readonly parameters: number; readonly body: Uint8Array }[];
  readonly exports: (readonly [text: string, index: number])[];
}

/** A module of functions over one memory, in the binary format. Source: Core Specification 2.0, section 5.5. */
export class ModuleBuilder {
  readonly target: Target;
  readonly #prefix: string;
  readonly #parts: Parts;

  constructor(target: Target, prefix = "", parts: Parts = { functions: [], exports: [] }) {
    this.target = target;
    this.#prefix = prefix;
    this.#parts = parts;
  }

  /** The same module, with a prefix for the names of what is exported. */
  within(prefix: string): ModuleBuilder {
    return new ModuleBuilder(this.target, prefix, this.#parts);
  }

  /** A function, which later functions may call. */
  function<Name extends string>(
    parameters: readonly Name[],
    define: (body: Body, values: { readonly [N in Name]: Local<"i32"> }) => void,
  ): WasmFunction<Name> {
    const body = new Body(parameters.length, this.target.instructions);
    const values = Object.fromEntries(parameters.map((each, index) => [each, local("i32", index)]));
    define(body, values as { readonly [N in Name]: Local<"i32"> });
    const index = this.#parts.functions.push({ parameters: parameters.length, body: body.encode() }) - 1;
    return { index, parameters };
  }

  export(text: string, { index }: Pick<WasmFunction, "index">): void {
    this.#parts.exports.push([this.#prefix + text, index]);
  }

  /** With a custom section of this text, if one is given. */
  encode(custom?: { readonly name: string; readonly text: string }): Uint8Array<ArrayBuffer> {
    const { functions, exports } = this.#parts;
    const counts = [...new Set(functions.map(({ parameters }) => parameters))];
    const types = counts.map((count) => [0x60, ...vector(Array.from({ length: count }, () => [valueTypes.i32])), 0]);
    const limits = this.target.isShared ? [3, 1, ...unsigned(MOST_PAGES)] : [0, 1];
    const [from, what] = MEMORY;
    const bodies = functions.map(({ body }) => body);
    const count = unsigned(bodies.length);
    const size = bodies.reduce((sum, { length }) => sum + length, count.length);
    const module = new Writer();
    for (const part of [
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector(types)),
      section(2, vector([[...name(from), ...name(what), 2, ...limits]])),
      section(3, vector(functions.map(({ parameters }) => unsigned(counts.indexOf(parameters))))),
      section(7, vector(exports.map(([text, index]) => [...name(text), 0, ...unsigned(index)]))),
      [10, ...unsigned(size), ...count],
      ...bodies,
      custom ? section(0, [...name(custom.name), ...utf8(custom.text)]) : [],
    ])
      module.put(part);
    return module.bytes();
  }
}
