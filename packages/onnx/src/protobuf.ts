import { FormatError } from "@residual/core";

/**
 * The little of protobuf's wire format that an ONNX model takes. Source: protobuf.dev, "Encoding".
 *
 * Encoded bytes stay in pieces until someone wants them in one: weights are kept by reference, not copied.
 */
export interface Encoded {
  /** In bytes, over all pieces. */
  readonly length: number;
  readonly pieces: readonly Uint8Array[];
}

/** Wire types: what follows a field's tag. Groups (3 and 4) are not used by ONNX. */
const wires = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Pieces up to this many bytes in all become one, so that a model is not written byte by byte. */
const SMALL = 4096;

/** int32, int64 or an enum. Negative numbers take ten bytes, as in two's complement of 64 bits. */
export function int(field: number, value: number | bigint): Encoded {
  return whole([varint(tag(field, wires.varint)), varint(value)]);
}

/** A 32-bit float. */
export function float(field: number, value: number): Encoded {
  return whole([varint(tag(field, wires.fixed32)), new Uint8Array(Float32Array.of(value).buffer)]);
}

/** A string, in UTF-8. */
export function text(field: number, value: string): Encoded {
  return bytes(field, new TextEncoder().encode(value));
}

/** Raw bytes, kept by reference. */
export function bytes(field: number, value: Uint8Array): Encoded {
  return whole([varint(tag(field, wires.bytes)), varint(value.length), value]);
}

/** A nested message of these fields. */
export function message(field: number, ...fields: readonly Encoded[]): Encoded {
  const body = join(...fields);
  return join(whole([varint(tag(field, wires.bytes)), varint(body.length)]), body);
}

/** Fields one after the other: a message without the tag that would nest it. */
export function join(...fields: readonly Encoded[]): Encoded {
  return whole(fields.flatMap(({ pieces }) => pieces));
}

/** All pieces in one. */
export function concatenate({ length, pieces }: Encoded): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}

function whole(pieces: readonly Uint8Array[]): Encoded {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const small = pieces.length > 1 && length <= SMALL;
  return { length, pieces: small ? [concatenate({ length, pieces })] : pieces };
}

function tag(field: number, wire: number): number {
  return field * 8 + wire;
}

/** Seven bits a byte, the lowest first; the top bit says that more follow. */
function varint(value: number | bigint): Uint8Array {
  const groups: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.of(...groups, Number(rest));
}

/** One field as it lies in a message: a whole number, or the bytes of anything else. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message from an untrusted file, in their order. Throws FormatError where one does not fit into `message`. */
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

/** 64 bits are ten groups of seven at most. */
function readVarint(message: Uint8Array, start: number): { value: bigint; size: number } {
  let value = 0n;
  for (let size = 0; size < 10 && start + size < message.length; size++) {
    const byte = message[start + size]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * size);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), size: size + 1 };
  }
  throw new FormatError(`protobuf: the number at byte ${start} has no end`);
}
