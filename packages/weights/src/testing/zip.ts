import { crc32, deflateRawSync } from "node:zlib";

/** A member of a zip for tests. Fields that are not given get valid values; a hostile zip overrides them. */
export interface ZipMember {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly isDeflated?: boolean;
  readonly unpackedSize?: number;
  readonly crc?: number;
}

/** A zip in which each member's bytes are aligned to `alignment`. */
export function zipOf(members: readonly ZipMember[], alignment = 1): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const member of members) {
    const bytes = member.isDeflated ? deflateRawSync(member.bytes) : Buffer.from(member.bytes);
    const name = Buffer.from(member.name);
    const padding = (alignment - ((at + 30 + name.length) % alignment)) % alignment;
    const local = headOf(member, bytes, { length: 30, signature: 0x04034b50, from: 8 });
    local.writeUInt16LE(padding, 28);
    const central = headOf(member, bytes, { length: 46, signature: 0x02014b50, from: 10 });
    central.writeUInt32LE(at, 42);
    directory.push(central, name);
    const piece = [local, name, Buffer.alloc(padding), bytes];
    parts.push(...piece);
    at += piece.reduce((sum, { length }) => sum + length, 0);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...parts, central, end]));
}

/** The head of a member, local or in the directory. The fields that both kinds share begin at byte `from`. */
function headOf(
  { name, bytes, isDeflated, unpackedSize = bytes.length, crc = crc32(bytes) }: ZipMember,
  packed: Uint8Array,
  { length, signature, from }: { readonly length: number; readonly signature: number; readonly from: number },
): Buffer {
  const head = Buffer.alloc(length);
  head.writeUInt32LE(signature, 0);
  head.writeUInt16LE(isDeflated ? 8 : 0, from);
  head.writeUInt32LE(crc, from + 6);
  head.writeUInt32LE(packed.length, from + 10);
  head.writeUInt32LE(unpackedSize, from + 14);
  head.writeUInt16LE(Buffer.byteLength(name), from + 18);
  return head;
}
