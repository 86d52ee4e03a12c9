import type { OpenFile } from "../open-file.ts";

/** A field of a message of protobuf's wire format. Source: protobuf.dev, "Encoding". */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** The value of a varint as a signed 64-bit number. Rounded above 2⁵³. */
  readonly value: number;
  /** The range of the field's value in the file, in bytes, without the length before it. */
  readonly begin: number;
  readonly end: number;
}

/** Wire types by number. ONNX does not use groups (3 and 4). */
export const wires = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** The most bytes of a tag and a length: ten bytes each. */
const LONGEST_HEAD = 20;
/** The number of bytes per read. */
const WINDOW = 64 << 10;
/** The most fields in a file. Models have a few thousand; a file with more would take seconds. */
const MOST_FIELDS = 1 << 20;
/** The longest text that is read, in bytes. Texts are names and metadata. */
const LONGEST_TEXT = 4 << 20;

/**
 * Reads messages of a file by position. It reads the head of each field, and skips the value unless the caller requests
 * it. `refuse` throws; its argument says what is wrong.
 */
export class WireReader {
  readonly #file: OpenFile;
  readonly #refuse: (problem: string) => never;
  #window: Uint8Array = new Uint8Array();
  #start = 0;
  #fields = 0;

  constructor(file: OpenFile, refuse: (problem: string) => never) {
    this.#file = file;
    this.#refuse = refuse;
  }

  /** Visits the fields of a message in order. Waits for `visit` before the next field. */
  async fields(
    { begin, end }: Pick<Field, "begin" | "end">,
    visit: (field: Field) => void | Promise<void>,
  ): Promise<void> {
    for (let at = begin; at < end; ) {
      const head = Math.min(LONGEST_HEAD, end - at);
      if (at < this.#start || at + head > this.#start + this.#window.length) await this.#move(at);
      const field = this.#field(at, end);
      at = field.end;
      const visiting = visit(field);
      if (visiting) await visiting;
    }
  }

  /** A copy of a field's bytes. */
  async bytes({ begin, end }: Pick<Field, "begin" | "end">): Promise<Uint8Array> {
    const [from, to] = [begin - this.#start, end - this.#start];
    if (from >= 0 && to <= this.#window.length) return this.#window.slice(from, to);
    return new Uint8Array(await this.#file.read(begin, end - begin));
  }

  async text(field: Field): Promise<string> {
    if (field.wire !== wires.bytes) this.#refuse(`at byte ${field.begin}: found a number, expected a text`);
    if (field.end - field.begin > LONGEST_TEXT)
      this.#refuse(`at byte ${field.begin}: found a text of ${field.end - field.begin} bytes`);
    return decoder.decode(await this.bytes(field));
  }

  async #move(at: number): Promise<void> {
    this.#start = at;
    this.#window = new Uint8Array(await this.#file.read(at, Math.min(WINDOW, this.#file.size - at)));
  }

  /** The field at a position within the window. */
  #field(at: number, end: number): Field {
    this.#fields++;
    if (this.#fields > MOST_FIELDS) this.#refuse(`found more than ${MOST_FIELDS} fields`);
    const tag = readVarint(this.#window, at - this.#start);
    if (!tag || tag.value < 0 || tag.value >= 2 ** 32) return this.#refuse(`at byte ${at}: found no field`);
    const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    let begin = at + tag.size;
    let [value, length] = [0, 0];
    if (wire === wires.fixed32) length = 4;
    else if (wire === wires.fixed64) length = 8;
    else if (wire === wires.varint || wire === wires.bytes) {
      const read = readVarint(this.#window, begin - this.#start);
      if (!read) return this.#refuse(`at byte ${begin}: found a number without an end`);
      if (wire === wires.varint) [value, length] = [read.value, read.size];
      else [begin, length] = [begin + read.size, read.value];
    } else return this.#refuse(`at byte ${at}: found wire type ${wire}, expected 0, 1, 2 or 5`);
    if (number === 0) this.#refuse(`at byte ${at}: found field 0, expected one from 1 on`);
    if (length < 0 || begin + length > end)
      this.#refuse(`at byte ${at}: found a field of ${length} bytes, expected at most ${Math.max(end - begin, 0)}`);
    return { number, wire, value, begin, end: begin + length };
  }
}

const decoder = new TextDecoder();

/** Reads a varint: at most ten bytes of seven bits, lowest first, as a signed 64-bit number. */
function readVarint(bytes: Uint8Array, at: number): { readonly value: number; readonly size: number } | undefined {
  const last = Math.min(10, bytes.length - at);
  let value = 0;
  let scale = 1;
  for (let i = 0; i < last; i++) {
    const byte = bytes[at + i]!;
    // the tenth byte holds bit 63, the sign: small negative numbers must be exact
    if (i === 9) return byte < 0x80 ? { value: Number(exact(bytes, at, 10)), size: 10 } : undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, size: i + 1 };
    scale *= 128;
  }
  return undefined;
}

function exact(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let i = 0; i < size; i++) value |= BigInt(bytes[at + i]! & 0x7f) << BigInt(7 * i);
  return BigInt.asIntN(64, value);
}

/** The numbers of a packed field. Undefined if the bytes are malformed, or contain more than `most` numbers. */
export function varintsOf(bytes: Uint8Array, most: number): number[] | undefined {
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const read = numbers.length < most ? readVarint(bytes, at) : undefined;
    if (!read) return undefined;
    numbers.push(read.value);
    at += read.size;
  }
  return numbers;
}

/**
 * Writes the numbers of a packed field into an array of whole numbers, from index `at`. Returns the index after the
 * last number. Undefined if the bytes are malformed, or contain more numbers than fit.
 */
export function unpackVarints(bytes: Uint8Array, into: BigInt64Array | WholeArray, at: number): number | undefined {
  let index = at;
  for (let from = 0; from < bytes.length; index++) {
    const read = index < into.length ? readVarint(bytes, from) : undefined;
    if (!read) return undefined;
    if (into instanceof BigInt64Array) into[index] = read.size < 8 ? BigInt(read.value) : exact(bytes, from, read.size);
    else into[index] = read.value;
    from += read.size;
  }
  return index;
}

/** Arrays that keep only the low bits of a number. */
export type WholeArray = Uint8Array | Uint16Array | Int32Array;
