import { unsigned, vector, Writer } from "./bytes.ts";
import {
  checkLane,
  type Expression,
  type I32,
  i32,
  type Local,
  local,
  storeLane,
  storePair,
  stores,
  type V128,
  type ValueType,
  v128,
  valueTypes,
} from "./expression.ts";

/** A function of a module. Parameters are i32 and have names; there is no result. */
export interface WasmFunction<Name extends string = string> {
  readonly index: number;
  readonly parameters: readonly Name[];
}

/** How products are added: by one relaxed instruction, which some engines lack, or by two instructions. */
export type Instructions = "relaxed madd" | "mul and add";

/** The statements of a function, in order. */
export class Body {
  readonly #instructions: Instructions;
  readonly #parameters: number;
  readonly #types: ValueType[] = [];
  readonly #code = new Writer();

  constructor(parameters: number, instructions: Instructions) {
    this.#parameters = parameters;
    this.#instructions = instructions;
  }

  /** A new local variable, 0 before it is set. */
  local<T extends ValueType>(type: T): Local<T> {
    return local(type, this.#parameters + this.#types.push(type) - 1);
  }

  /** A new local variable with a value. */
  let<T extends ValueType>(value: Expression<T>): Local<T> {
    const made = this.local(value.type);
    this.set(made, value);
    return made;
  }

  set<T extends ValueType>(to: Local<T>, value: Expression<NoInfer<T>>): void {
    this.#put(value.code, [0x21], unsigned(to.index));
  }

  /** Sets several locals to one value, which is computed once. */
  setAll<T extends ValueType>(locals: readonly Local<NoInfer<T>>[], value: Expression<T>): void {
    this.#put(value.code);
    for (const [at, { index }] of locals.entries())
      this.#put([at === locals.length - 1 ? 0x21 : 0x22], unsigned(index));
  }

  /** `to += by`, in bytes or in steps. */
  advance(to: Local<"i32">, by: number | I32): void {
    if (by === 0) return;
    this.set(to, i32.add(to, typeof by === "number" ? i32.const(by) : by));
  }

  store<T extends ValueType>(pointer: I32, value: Expression<T>, offset = 0): void {
    this.#put(pointer.code, value.code, stores[value.type], [0], unsigned(offset));
  }

  /** Stores one of the four numbers of a vector. Throws RangeError for an invalid lane. */
  storeLane(pointer: I32, value: V128, lane: number, offset = 0): void {
    checkLane(lane);
    this.#put(pointer.code, value.code, storeLane, [0], unsigned(offset), [lane]);
  }

  /** Stores the first two of the four numbers of a vector. */
  storePair(pointer: I32, value: V128, offset = 0): void {
    this.#put(pointer.code, value.code, storePair, [0], unsigned(offset), [0]);
  }

  /** `sum += a · b` */
  addProduct(sum: Local<"v128">, a: V128, b: V128): void {
    const isFused = this.#instructions === "relaxed madd";
    this.set(sum, isFused ? v128.relaxedMadd(a, b, sum) : v128.add(sum, v128.mul(a, b)));
  }

  /** `sum −= a · b` */
  subtractProduct(sum: Local<"v128">, a: V128, b: V128): void {
    const isFused = this.#instructions === "relaxed madd";
    this.set(sum, isFused ? v128.relaxedNmadd(a, b, sum) : v128.sub(sum, v128.mul(a, b)));
  }

  call<Name extends string>(callee: WasmFunction<Name>, values: { readonly [N in Name]: I32 }): void {
    for (const parameter of callee.parameters) this.#put(values[parameter].code);
    this.#put([0x10], unsigned(callee.index));
  }

  /** Sets `bytes` bytes to 0. The call takes about 20 ns, too much for a few numbers. */
  clear(pointer: I32, bytes: I32): void {
    this.#put(pointer.code, i32.const(0).code, bytes.code, [0xfc, 11, 0]);
  }

  copy(to: I32, from: I32, bytes: I32): void {
    this.#put(to.code, from.code, bytes.code, [0xfc, 10, 0, 0]);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#put(condition.code, [0x04, 0x40]);
    then();
    if (otherwise) {
      this.#put([0x05]);
      otherwise();
    }
    this.#put([0x0b]);
  }

  /** Repeats the statements `count` times. A constant 0 or 1 is unrolled; a variable may be 0. */
  times(count: number | I32, statements: () => void): void {
    if (typeof count === "number") {
      if (count === 1) statements();
      else if (count > 1) this.#loop(this.let(i32.const(count)), statements);
      return;
    }
    const left = this.let(count);
    this.if(left, () => this.#loop(left, statements));
  }

  /** For `index` from `first` to below `end`. */
  range(first: I32, end: I32, statements: (index: Local<"i32">) => void): void {
    const index = this.let(first);
    this.times(i32.maxS(i32.sub(end, index), i32.const(0)), () => {
      statements(index);
      this.advance(index, 1);
    });
  }

  /** `do … while (--left)`: the cheapest loop. */
  #loop(left: Local<"i32">, statements: () => void): void {
    this.#put([0x03, 0x40]);
    statements();
    this.#put(i32.sub(left, i32.const(1)).code, [0x22], unsigned(left.index), [0x0d, 0, 0x0b]);
  }

  /** The function's entry in the code section, with its size. */
  encode(): Uint8Array<ArrayBuffer> {
    const runs: [count: number, type: ValueType][] = [];
    for (const type of this.#types) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    const locals = vector(runs.map(([count, type]) => [...unsigned(count), valueTypes[type]]));
    const entry = new Writer();
    entry.put(unsigned(locals.length + this.#code.length + 1));
    entry.put(locals);
    entry.put(this.#code.bytes());
    entry.put([END]);
    return entry.bytes();
  }

  #put(...parts: readonly (readonly number[])[]): void {
    for (const part of parts) this.#code.put(part);
  }
}

const END = 0x0b;
