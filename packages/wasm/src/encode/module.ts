import { name, section, unsigned, vector, Writer } from "./bytes.ts";
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

/** A module of functions over one memory, in the binary format. Source: Core Specification 2.0, section 5.5. */
export class ModuleBuilder {
  readonly target: Target;
  readonly #functions: { readonly parameters: number; readonly body: Uint8Array }[] = [];
  readonly #exports: (readonly [text: string, index: number])[] = [];

  constructor(target: Target) {
    this.target = target;
  }

  /** A function, which later functions may call. */
  function<Name extends string>(
    parameters: readonly Name[],
    define: (body: Body, values: { readonly [N in Name]: Local<"i32"> }) => void,
  ): WasmFunction<Name> {
    const body = new Body(parameters.length, this.target.instructions);
    const values = Object.fromEntries(parameters.map((each, index) => [each, local("i32", index)]));
    define(body, values as { readonly [N in Name]: Local<"i32"> });
    const index = this.#functions.push({ parameters: parameters.length, body: body.encode() }) - 1;
    return { index, parameters };
  }

  export(text: string, { index }: Pick<WasmFunction, "index">): void {
    this.#exports.push([text, index]);
  }

  encode(): Uint8Array<ArrayBuffer> {
    const counts = [...new Set(this.#functions.map(({ parameters }) => parameters))];
    const types = counts.map((count) => [0x60, ...vector(Array.from({ length: count }, () => [valueTypes.i32])), 0]);
    const limits = this.target.isShared ? [3, 1, ...unsigned(MOST_PAGES)] : [0, 1];
    const [from, what] = MEMORY;
    const bodies = this.#functions.map(({ body }) => body);
    const count = unsigned(bodies.length);
    const size = bodies.reduce((sum, { length }) => sum + length, count.length);
    const module = new Writer();
    for (const part of [
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector(types)),
      section(2, vector([[...name(from), ...name(what), 2, ...limits]])),
      section(3, vector(this.#functions.map(({ parameters }) => unsigned(counts.indexOf(parameters))))),
      section(7, vector(this.#exports.map(([text, index]) => [...name(text), 0, ...unsigned(index)]))),
      [10, ...unsigned(size), ...count],
      ...bodies,
    ])
      module.put(part);
    return module.bytes();
  }
}
