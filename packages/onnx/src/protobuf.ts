import { FormatError } from "@residual/core";

/**
 * The part of protobuf's wire format that ONNX models need. Source: protobuf.dev, "Encoding".
 *
 * Encoded bytes stay in a tree of parts until they are needed in one array: weights are kept by reference, and nothing
 * is copied at each level of nesting.
 */
export interface Encoded {
  /** In bytes, over all parts. */
  readonly length: number;
  readonly parts: readonly (Piece | Encoded)[];
}

/** Bytes. The many short ones are plain arrays, which are created ten times faster than typed arrays. */
type Piece = Uint8Array | readonly number[];

/** Wire types: what follows a field's tag. Groups (3 and 4) are not used by ONNX. */
const wires = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** int32, int64 or an enum. Negative numbers take ten bytes, as 64-bit two's complement. */
export function int(field: number, value: number | bigint): Encoded {
  return whole([varint(tag(field, wires.varint)), varint(value)]);
}

/** A 32-bit float. */
export function float(field: number, value: number): Encoded {
  return whole([varint(tag(field, wires.fixed32)), [...new Uint8Array(Float32Array.of(value).buffer)]]);
}

/** A string, in UTF-8. */
export function text(field: number, value: string): Encoded {
  return bytes(field, encoder.encode(value));
}

const encoder = new TextEncoder();

/** Raw bytes, kept by reference. */
export function bytes(field: number, value: Uint8Array): Encoded {
  return whole([varint(tag(field, wires.bytes)), varint(value.length), value]);
}

/** A nested message of these fields. */
export function message(field: number, ...fields: readonly Encoded[]): Encoded {
  const body = join(...fields);
  return whole([varint(tag(field, wires.bytes)), varint(body.length), body]);
}

/** Consecutive fields: a message without the tag that would nest it. */
export function join(...fields: readonly Encoded[]): Encoded {
  return whole(fields);
}

/** All parts in one array. */
export function concatenate(encoded: Encoded): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(encoded.length);
  let offset = 0;
  for (const leaf of leavesOf(encoded)) {
    all.set(leaf, offset);
    offset += leaf.length;
  }
  return all;
}

/** The bytes in pieces for writing: large parts by reference, the small parts between them joined. */
export function piecesOf(encoded: Encoded): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let small: number[] = [];
  const flush = () => {
    if (small.length > 0) pieces.push(Uint8Array.from(small));
    small = [];
  };
  for (const leaf of leavesOf(encoded)) {
    if (leaf instanceof Uint8Array && leaf.length > SMALL) {
      flush();
      pieces.push(leaf);
    } else {
      for (let i = 0; i < leaf.length; i++) small.push(leaf[i]!);
    }
  }
  flush();
  return pieces;
}

/** In bytes: smaller parts are copied instead of written separately. */
const SMALL = 4096;

function leavesOf(encoded: Encoded): readonly Piece[] {
  const leaves: Piece[] = [];
  const visit = ({ parts }: Encoded) => {
    for (const part of parts) {
      if ("parts" in part) visit(part);
      else leaves.push(part);
    }
  };
  visit(encoded);
  return leaves;
}

function whole(parts: Encoded["parts"]): Encoded {
  let length = 0;
  for (const part of parts) length += part.length;
  return { length, parts };
}

function tag(field: number, wire: number): number {
  return field * 8 + wire;
}

/** Seven bits per byte, lowest first; the top bit marks that more bytes follow. */
function varint(value: number | bigint): readonly number[] {
  if (value < 0 || value > 0x7fffffff) return longVarint(BigInt.asUintN(64, BigInt(value)));
  const groups: number[] = [];
  let rest = Number(value);
  for (; rest > 0x7f; rest >>= 7) groups.push((rest & 0x7f) | 0x80);
  groups.push(rest);
  return groups;
}

function longVarint(value: bigint): readonly number[] {
  const groups: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80);
  return [...groups, Number(rest)];
}

/** One field of a message: an integer, or the bytes of a value of another type. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message from an untrusted file, in order. Throws FormatError for a field that exceeds `message`. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let offset = 0;
  const take = (length: number) => {
    const left = message.length - offset;
    if (length > left) throw new FormatError(`protobuf: ${length} bytes announced at byte ${offset}, ${left} are left`);
    offset += length;
    return message.subarray(offset - length, offset);
  };
  const number = () => {
    const { value, size } = readVarint(message, offset);
    offset += size;
    return value;
  };
  while (offset < message.length) {
    const key = number();
    const wire = Number(key & 7n);
    yield { number: Number(key >> 3n), value: wire === wires.varint ? number() : take(sizeOf(wire, number)) };
  }
}

function sizeOf(wire: number, length: () => bigint): number {
  if (wire === wires.bytes) return Number(length());
  if (wire === wires.fixed32) return 4;
  if (wire === wires.fixed64) return 8;
  throw new FormatError(`protobuf: wire type ${wire}, expected one of ${Object.values(wires).join(", ")}`);
}

/** At most ten groups of seven bits, for 64 bits. */
function readVarint(message: Uint8Array, start: number): { value: bigint; size: number } {
  let value = 0n;
  for (let size = 0; size < 10 && start + size < message.length; size++) {
    const byte = message[start + size]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * size);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), size: size + 1 };
  }
  throw new FormatError(`protobuf: the number at byte ${start} has no end`);
}
