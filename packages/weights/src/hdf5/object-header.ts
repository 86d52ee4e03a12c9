import { Fields, type Structures } from "./structures.ts";

/** The kinds of messages that Residual reads. */
export const message = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  externalFiles: 0x07,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const;

/** A message of an object's header. */
export interface Message {
  readonly kind: number;
  /** Whether the message contains only the address of the actual message. */
  readonly isShared: boolean;
  /** The message's fields from the first one. */
  readonly fields: () => Fields;
}

/** All messages of the object at an address. Source: HDF5 File Format Specification 3.0, IV.A.1. */
export async function readMessages(structures: Structures, address: number): Promise<readonly Message[]> {
  structures.enter(address);
  const version = (await structures.fields(address, 1)).u8();
  if (version === 1) return readVersion1(structures, address);
  return readVersion2(structures, address);
}

async function readVersion1(structures: Structures, address: number): Promise<readonly Message[]> {
  const prefix = await structures.fields(address, 16);
  prefix.skip(8);
  const messages: Message[] = [];
  const blocks = [await structures.fields(address + 16, prefix.u32())];
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    while (block.left >= 8) {
      const [kind, size, flags] = [block.u16(), block.u16(), block.u8()] as const;
      block.skip(3);
      const found = messageOf(kind, flags, block.bytes(size), structures);
      messages.push(found);
      if (kind !== message.continuation) continue;
      const { at, length } = continuationOf(found, structures);
      blocks.push(await structures.fields(at, length));
    }
  }
  return messages;
}

async function readVersion2(structures: Structures, address: number): Promise<readonly Message[]> {
  const prefix = await structures.fields(address, 6);
  prefix.expect("OHDR");
  if (prefix.u8() !== 2) structures.refuse("an object header is of another version than 1 or 2");
  const flags = prefix.u8();
  const begin = address + 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
  const width = 1 << (flags & 3);
  const size = (await structures.fields(begin, width)).uint(width);
  const heading = flags & 4 ? 6 : 4;
  const messages: Message[] = [];
  const blocks = [await structures.fields(begin + width, size)];
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    while (block.left >= heading) {
      const [kind, size, flags] = [block.u8(), block.u16(), block.u8()] as const;
      block.skip(heading - 4);
      const found = messageOf(kind, flags, block.bytes(size), structures);
      messages.push(found);
      if (kind !== message.continuation) continue;
      const { at, length } = continuationOf(found, structures);
      const next = await structures.fields(at, length - CHECKSUM);
      next.expect("OCHK");
      blocks.push(next);
    }
  }
  return messages;
}

/** Size of the checksum after each block of version 2, in bytes. */
const CHECKSUM = 4;

function messageOf(kind: number, flags: number, bytes: Uint8Array, { refuse }: Structures): Message {
  return { kind, isShared: (flags & 2) !== 0, fields: () => new Fields(bytes, refuse) };
}

/** The position and size of the block that continues an object's messages. */
function continuationOf(found: Message, structures: Structures): { readonly at: number; readonly length: number } {
  const fields = found.fields();
  const at = fields.address() ?? structures.refuse("an object's header goes on nowhere");
  structures.enter(at);
  return { at, length: Math.max(CHECKSUM, fields.u64()) };
}
