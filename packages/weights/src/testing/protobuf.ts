import { join } from "./bytes.ts";

/** Fields of protobuf's wire format, for files that no library writes. */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(rest)]);
}

export function whole(field: number, value: number | bigint): Uint8Array {
  return join([varint(field * 8), varint(value)]);
}

/** A field of text, bytes or a message. `claimed` overrides the length before the value. */
export function bytes(field: number, value: string | Uint8Array, claimed?: number | bigint): Uint8Array {
  const content = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return join([varint(field * 8 + 2), varint(claimed ?? content.length), content]);
}

export function message(field: number, ...fields: readonly Uint8Array[]): Uint8Array {
  return bytes(field, join(fields));
}

/** The fields of a TensorProto; `data` are further fields. */
export function tensorProto(
  name: string,
  type: number,
  dims: readonly (number | bigint)[],
  ...data: Uint8Array[]
): Uint8Array {
  return join([...dims.map((size) => whole(1, size)), whole(2, type), bytes(8, name), ...data]);
}

/** The external data fields of a tensor that is stored outside of its model. */
export function external(entries: Readonly<Record<string, string>>): Uint8Array {
  return join([
    ...Object.entries(entries).map(([key, value]) => message(13, bytes(1, key), bytes(2, value))),
    whole(14, 1),
  ]);
}

/** A ModelProto with the given fields of a graph. */
export function modelProto(...graph: readonly Uint8Array[]): Uint8Array {
  return join([whole(1, 8), bytes(2, "test"), message(7, ...graph), message(8, bytes(1, ""), whole(2, 17))]);
}

export function initializer(tensor: Uint8Array): Uint8Array {
  return bytes(5, tensor);
}
