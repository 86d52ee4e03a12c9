import { UnsupportedError } from "@residual/core";

/** A value in a pickle. Lists and tuples are arrays. Globals and persistent ids stand for objects. */
export type Pickled = null | boolean | number | bigint | string | object;

/** An entity that a pickle may name: a value, or a function that is called with the pickle's arguments. */
export type PickleGlobal = PickleFunction | PickleValue;

export interface PickleFunction {
  readonly call: (args: readonly Pickled[]) => Pickled;
}

interface PickleValue {
  readonly value: Pickled;
}

export interface UnpicklerOptions {
  /** Everything that the pickle may name, by `module.name`. Other names are refused, and no code of the pickle runs. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Returns the object of a persistent id. */
  readonly persistent: (id: Pickled) => Pickled;
  /** Throws the error for a problem. */
  readonly refuse: (problem: string) => never;
  /** Throws the error for bytes that end within a pickle. */
  readonly end: () => never;
}

/** In bytes. Reading longer integers takes quadratic time, and files of weights have none. */
const LONGEST_INTEGER = 1024;

/** Marks the start of a run of values on the stack. */
const MARK = Symbol("mark");

/**
 * Reads consecutive pickles of protocols 0 to 5 from bytes. Each opcode takes constant time, or time proportional to
 * values and bytes that the pickle contains. So a pickle of n bytes takes O(n) time and memory.
 *
 * Throws the error of `refuse` if the bytes are not a pickle, the error of `end` if they end too early, and
 * UnsupportedError for unknown globals and for opcodes that need a registry or out-of-band buffers. Source: CPython's
 * Lib/pickletools.py.
 */
export class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpicklerOptions;
  #at: number;
  #stack: (Pickled | typeof MARK)[] = [];
  #memo = new Map<number, Pickled>();

  constructor(bytes: Uint8Array, options: UnpicklerOptions, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
    this.#at = at;
  }

  /** The position of the next pickle, in bytes. */
  get position(): number {
    return this.#at;
  }

  /** Reads the value of the next pickle. */
  read(): Pickled {
    this.#stack = [];
    this.#memo = new Map();
    for (;;) {
      const opcode = this.#byte();
      if (opcode === STOP) return this.pop();
      const run = opcodes.get(opcode);
      if (!run) this.#fail(`found 0x${opcode.toString(16).padStart(2, "0")}, which is no opcode of a pickle`, -1);
      run(this);
    }
  }

  // Operands of opcodes.

  push(value: Pickled | typeof MARK): void {
    this.#stack.push(value);
  }

  /** Removes and returns the values above the last mark, and removes the mark. */
  popMark(): Pickled[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) this.#fail("a mark is missing");
    const values = this.#stack.splice(mark) as Pickled[];
    values.shift();
    return values;
  }

  pop(): Pickled {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) this.#fail("a value is missing");
    return value;
  }

  /** Removes a value, or a mark. */
  drop(): void {
    if (this.#stack.pop() === undefined) this.#fail("a value is missing");
  }

  top(): Pickled {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) this.#fail("a value is missing");
    return value;
  }

  popMany(count: number): Pickled[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  popArray(what: string): Pickled[] {
    const value = this.pop();
    return Array.isArray(value) ? (value as Pickled[]) : this.#fail(`found ${nameOf(value)}, expected ${what}`);
  }

  append(values: readonly Pickled[]): void {
    const list = this.top();
    if (Array.isArray(list)) for (const value of values) list.push(value);
    else this.#fail(`found ${nameOf(list)}, expected a list`);
  }

  add(values: readonly Pickled[]): void {
    const set = this.top();
    if (set instanceof Set) for (const value of values) set.add(value);
    else this.#fail(`found ${nameOf(set)}, expected a set`);
  }

  setItems(pairs: readonly Pickled[]): void {
    const map = this.top();
    if (!(map instanceof Map)) this.#fail(`found ${nameOf(map)}, expected a dictionary`);
    if (pairs.length % 2 === 1) this.#fail("a key is without its value");
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i]!, pairs[i + 1]!);
  }

  memoize(key = this.#memo.size): void {
    this.#memo.set(key, this.top());
  }

  recall(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) this.#fail(`it recalls value ${key}, which it has not stored`);
    this.push(value);
  }

  global(module: Pickled, name: Pickled): void {
    if (typeof module !== "string" || typeof name !== "string") this.#fail("a name in it is not text");
    const found = this.#options.globals.get(`${module}.${name}`);
    if (found) this.push("value" in found ? found.value : found);
    else refuseGlobal(`${module}.${name}`);
  }

  call(callee: Pickled, args: readonly Pickled[]): void {
    if (!isFunction(callee)) this.#fail(`found ${nameOf(callee)}, expected something to call`);
    this.push(callee.call(args));
  }

  /** Sets the state of an object of a listed class. The state of other objects is ignored: it holds no weights. */
  build(): void {
    const state = this.pop();
    const object = this.top();
    if (object instanceof PickledObject) object.state = state;
  }

  persistent(id: Pickled): void {
    this.push(this.#options.persistent(id));
  }

  // Decoded bytes.

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) this.#options.end();
    this.#at++;
    return byte;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) this.#options.end();
    const begin = this.#at;
    this.#at += length;
    return this.#bytes.subarray(begin, this.#at);
  }

  unsigned(size: 1 | 2 | 4 | 8): number {
    const begin = this.#at;
    this.take(size);
    if (size === 1) return this.#view.getUint8(begin);
    if (size === 2) return this.#view.getUint16(begin, true);
    if (size === 4) return this.#view.getUint32(begin, true);
    return Number(this.#view.getBigUint64(begin, true));
  }

  signed(): number {
    const begin = this.#at;
    this.take(4);
    return this.#view.getInt32(begin, true);
  }

  float(): number {
    const begin = this.#at;
    this.take(8);
    return this.#view.getFloat64(begin); // big-endian, unlike all other numbers in a pickle
  }

  text(length: number): string {
    return this.decode(this.take(length));
  }

  decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.#fail("a text in it is not UTF-8");
    }
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#options.end();
    const text = this.decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  /** Reads an integer in two's complement, little-endian. */
  long(length: number): number | bigint {
    if (length > LONGEST_INTEGER)
      this.#fail(`a whole number takes ${length} bytes, expected ${LONGEST_INTEGER} at most`);
    const bytes = this.take(length);
    const digits = bytes.reduceRight((text, byte) => text + byte.toString(16).padStart(2, "0"), "");
    return whole(length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${digits}`)));
  }

  parseWhole(text: string): number | bigint {
    const digits = text.trim().replace(/L$/, "");
    if (!/^[-+]?\d+$/.test(digits) || digits.length > LONGEST_INTEGER) this.#fail(`a whole number is spelt wrongly`);
    return whole(BigInt(digits));
  }

  parseFloat(text: string): number {
    const value = Number(text.trim().replace(/^([-+]?)inf$/, "$1Infinity"));
    if (Number.isNaN(value) && text.trim() !== "nan") this.#fail("a number is spelt wrongly");
    return value;
  }

  #fail(problem: string, moved = 0): never {
    return this.#options.refuse(`its pickle at byte ${this.#at + moved}: ${problem}`);
  }

  unsupported(problem: string): never {
    throw new UnsupportedError(`its pickle ${problem}; ${wayOut}`);
  }
}

/** An object of a listed class. Residual keeps its attributes, and does not interpret them. */
export class PickledObject {
  readonly type: string;
  state: Pickled = null;

  constructor(type: string) {
    this.type = type;
  }
}

const wayOut = "save the tensors alone: torch.save(model.state_dict(), path)";

function refuseGlobal(name: string): never {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  throw new UnsupportedError(
    `its pickle asks for ${JSON.stringify(shown)}; Residual executes nothing that a file asks for, and knows only ` +
      `tensors and plain data; ${wayOut}`,
  );
}

function whole(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isFunction(value: Pickled): value is PickleFunction {
  return typeof value === "object" && value !== null && "call" in value;
}

function nameOf(value: Pickled): string {
  if (value === null) return "None";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a dictionary";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

const STOP = 0x2e;

type Run = (from: Unpickler) => void;

/** All opcodes except STOP, under the names in pickletools. */
const opcodes = new Map<number, Run>([
  // PROTO and FRAME are skipped: the following opcodes determine their contents.
  [0x80, (from) => void from.take(1)],
  [0x95, (from) => void from.take(8)],
  // MARK, POP, POP_MARK, DUP
  [0x28, (from) => from.push(MARK)],
  [0x30, (from) => from.drop()],
  [0x31, (from) => void from.popMark()],
  [0x32, (from) => from.push(from.top())],
  // NONE, NEWTRUE, NEWFALSE
  [0x4e, (from) => from.push(null)],
  [0x88, (from) => from.push(true)],
  [0x89, (from) => from.push(false)],
  // INT, which spells booleans 00 and 01, LONG, FLOAT: in text
  [0x49, (from) => pushInt(from, from.line())],
  [0x4c, (from) => from.push(from.parseWhole(from.line()))],
  [0x46, (from) => from.push(from.parseFloat(from.line()))],
  // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
  [0x4a, (from) => from.push(from.signed())],
  [0x4b, (from) => from.push(from.unsigned(1))],
  [0x4d, (from) => from.push(from.unsigned(2))],
  [0x8a, (from) => from.push(from.long(from.unsigned(1)))],
  [0x8b, (from) => from.push(from.long(from.unsigned(4)))],
  [0x47, (from) => from.push(from.float())],
  // STRING, BINSTRING, SHORT_BINSTRING: Python 2's
  [0x53, (from) => from.push(from.line().replace(/^(["'])(.*)\1$/, "$2"))],
  [0x54, (from) => from.push(from.text(from.unsigned(4)))],
  [0x55, (from) => from.push(from.text(from.unsigned(1)))],
  // UNICODE, SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
  [0x56, (from) => from.push(from.line())],
  [0x8c, (from) => from.push(from.text(from.unsigned(1)))],
  [0x58, (from) => from.push(from.text(from.unsigned(4)))],
  [0x8d, (from) => from.push(from.text(from.unsigned(8)))],
  // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
  [0x42, (from) => from.push(from.take(from.unsigned(4)))],
  [0x43, (from) => from.push(from.take(from.unsigned(1)))],
  [0x8e, (from) => from.push(from.take(from.unsigned(8)))],
  [0x96, (from) => from.push(from.take(from.unsigned(8)))],
  // EMPTY_LIST, APPEND, APPENDS, LIST
  [0x5d, (from) => from.push([])],
  [0x61, (from) => from.append(from.popMany(1))],
  [0x65, (from) => from.append(from.popMark())],
  [0x6c, (from) => from.push(from.popMark())],
  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
  [0x29, (from) => from.push([])],
  [0x74, (from) => from.push(from.popMark())],
  [0x85, (from) => from.push(from.popMany(1))],
  [0x86, (from) => from.push(from.popMany(2))],
  [0x87, (from) => from.push(from.popMany(3))],
  // EMPTY_DICT, SETITEM, SETITEMS, DICT
  [0x7d, (from) => from.push(new Map())],
  [0x73, (from) => from.setItems(from.popMany(2))],
  [0x75, (from) => from.setItems(from.popMark())],
  [0x64, (from) => pushDictionary(from, from.popMark())],
  // EMPTY_SET, ADDITEMS, FROZENSET
  [0x8f, (from) => from.push(new Set())],
  [0x90, (from) => from.add(from.popMark())],
  [0x91, (from) => from.push(new Set(from.popMark()))],
  // PUT, BINPUT, LONG_BINPUT, MEMOIZE
  [0x70, (from) => from.memoize(Number(from.parseWhole(from.line())))],
  [0x71, (from) => from.memoize(from.unsigned(1))],
  [0x72, (from) => from.memoize(from.unsigned(4))],
  [0x94, (from) => from.memoize()],
  // GET, BINGET, LONG_BINGET
  [0x67, (from) => from.recall(Number(from.parseWhole(from.line())))],
  [0x68, (from) => from.recall(from.unsigned(1))],
  [0x6a, (from) => from.recall(from.unsigned(4))],
  // GLOBAL, STACK_GLOBAL
  [0x63, (from) => from.global(from.line(), from.line())],
  [0x93, (from) => from.global(...(from.popMany(2) as [Pickled, Pickled]))],
  // REDUCE, NEWOBJ, NEWOBJ_EX, INST, OBJ, BUILD
  [0x52, (from) => callWith(from, from.popArray("arguments"))],
  [0x81, (from) => callWith(from, from.popArray("arguments"))],
  [0x92, (from) => newObject(from)],
  [0x69, (from) => instance(from)],
  [0x6f, (from) => object(from, from.popMark())],
  [0x62, (from) => from.build()],
  // PERSID, BINPERSID
  [0x50, (from) => from.persistent(from.line())],
  [0x51, (from) => from.persistent(from.pop())],
  // EXT1, EXT2, EXT4, NEXT_BUFFER, READONLY_BUFFER
  [0x82, (from) => from.unsupported("names an extension of the registry that wrote it")],
  [0x83, (from) => from.unsupported("names an extension of the registry that wrote it")],
  [0x84, (from) => from.unsupported("names an extension of the registry that wrote it")],
  [0x97, (from) => from.unsupported("needs buffers that are not in the file")],
  [0x98, (from) => from.unsupported("needs buffers that are not in the file")],
]);

function pushInt(from: Unpickler, text: string): void {
  from.push(text === "00" ? false : text === "01" ? true : from.parseWhole(text));
}

function pushDictionary(from: Unpickler, pairs: readonly Pickled[]): void {
  from.push(new Map());
  from.setItems(pairs);
}

function callWith(from: Unpickler, args: readonly Pickled[]): void {
  from.call(from.pop(), args);
}

/** The class, its arguments and its keyword arguments, which no listed class takes. */
function newObject(from: Unpickler): void {
  from.pop();
  callWith(from, from.popArray("arguments"));
}

function instance(from: Unpickler): void {
  from.global(from.line(), from.line());
  const callee = from.pop();
  from.call(callee, from.popMark());
}

function object(from: Unpickler, [callee = null, ...args]: readonly Pickled[]): void {
  from.call(callee, args);
}
