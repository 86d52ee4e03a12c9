import { type DType, type NamedSource, sizeOf } from "@residual/core";

/** A value of Python. A number is an int, and must be whole; an array is a list, a Map a dict. */
export type PythonValue =
  | null
  | boolean
  | number
  | string
  | PythonFloat
  | PythonTuple
  | NamedSource
  | readonly PythonValue[]
  | ReadonlyMap<string | number, PythonValue>;

export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export class PythonTuple {
  readonly items: readonly PythonValue[];

  constructor(items: readonly PythonValue[]) {
    this.items = items;
  }
}

/** A `collections.OrderedDict`, as `state_dict()` returns it. */
export class OrderedDict extends Map<string, PythonValue> {}

/** A pickle, and the tensors that it refers to: each has its own storage, whose key is the tensor's index. */
export interface PickledTensors {
  readonly pickle: Uint8Array;
  readonly tensors: readonly NamedSource[];
}

const storages = {
  float32: "FloatStorage",
  float64: "DoubleStorage",
  int32: "IntStorage",
  int64: "LongStorage",
  uint8: "ByteStorage",
} as const satisfies Record<DType, string>;

/**
 * A pickle of protocol 2, as torch.save writes it. Source: pickletools.py of Python; torch/_tensor.py,
 * `_reduce_ex_internal`; torch/serialization.py, `_save`.
 */
export function pickleOf(root: PythonValue): PickledTensors {
  const pickle = new Pickle();
  return { pickle: pickle.value(root).code(".").bytes(), tensors: pickle.tensors };
}

/** Writes the opcodes of protocol 2. */
class Pickle {
  readonly #bytes: number[] = [0x80, 2];
  readonly tensors: NamedSource[] = [];

  value(value: PythonValue): this {
    if (value === null) return this.code("N");
    if (typeof value === "boolean") return this.code(value ? "\x88" : "\x89");
    if (typeof value === "number") return this.#whole(value);
    if (typeof value === "string") return this.#text(value);
    if (value instanceof PythonFloat) return this.#float(value.value);
    if (value instanceof PythonTuple) return this.#tuple(value.items);
    if (value instanceof OrderedDict) return this.#orderedDict().#items(value);
    if (value instanceof Map) return this.code("}").#items(value);
    if (isList(value)) return this.code("](").#all(value).code("e");
    return this.#tensor(value as NamedSource);
  }

  /** Writes opcodes that have no argument. */
  code(opcodes: string): this {
    for (const opcode of opcodes) this.#bytes.push(opcode.charCodeAt(0));
    return this;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** A tensor that is row-major, without gradients and hooks. */
  #tensor(source: NamedSource): this {
    const { dtype, shape } = source;
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1).map((size) => Math.max(1, size))));
    this.#global("torch._utils", "_rebuild_tensor_v2").code("((").#text("storage");
    this.#global("torch", storages[dtype]).#text(String(this.tensors.length)).#text("cpu");
    this.#whole(sizeOf(shape)).code("tQ").#whole(0).#tuple(shape).#tuple(strides).code("\x89");
    this.tensors.push(source);
    return this.#orderedDict().code("tR");
  }

  #orderedDict(): this {
    return this.#global("collections", "OrderedDict").code(")R");
  }

  #items(entries: ReadonlyMap<string | number, PythonValue>): this {
    return this.code("(")
      .#all([...entries].flat())
      .code("u");
  }

  #all(values: readonly PythonValue[]): this {
    for (const value of values) this.value(value);
    return this;
  }

  #tuple(values: readonly PythonValue[]): this {
    return this.code("(").#all(values).code("t");
  }

  #global(module: string, name: string): this {
    return this.code(`c${module}\n${name}\n`);
  }

  #text(content: string): this {
    const encoded = new TextEncoder().encode(content);
    this.code("X").#number(encoded.length, 4);
    for (const byte of encoded) this.#bytes.push(byte);
    return this;
  }

  /** Writes a whole number from 0 to 2⁵³ − 1. */
  #whole(value: number): this {
    if (value < 2 ** 31) return this.code("J").#number(value, 4);
    this.code("\x8a").#number(8, 1);
    return this.#number(value, 8);
  }

  #float(value: number): this {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat64(0, value); // big-endian, unlike all other numbers in a pickle
    this.code("G").#bytes.push(...new Uint8Array(bytes.buffer));
    return this;
  }

  #number(value: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.#bytes.push(Math.floor(value / 2 ** (8 * i)) % 256);
    return this;
  }
}

/** A type guard, because Array.isArray does not narrow a readonly array. */
function isList(value: object): value is readonly PythonValue[] {
  return Array.isArray(value);
}
