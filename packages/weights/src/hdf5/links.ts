import { UnsupportedError } from "@residual/core";
import { quote } from "../json-reader.ts";
import { type Message, message } from "./object-header.ts";
import type { Structures } from "./structures.ts";

/**
 * The addresses of the object headers of a group's members, by name. Soft links and links to other files are left out.
 * Throws UnsupportedError if the links are in a fractal heap, as in large groups of `libver="latest"`. Source: HDF5
 * File Format Specification 3.0, III.A to III.D, IV.A.2.c and g.
 */
export async function readLinks(
  structures: Structures,
  messages: readonly Message[],
): Promise<ReadonlyMap<string, number>> {
  const links = new Map<string, number>();
  const add = (name: string, address: number) => {
    if (links.has(name)) structures.refuse(`a group has two members ${quote(name)}`);
    structures.spend(name.length);
    links.set(name, address);
  };
  for (const { kind, fields } of messages) {
    if (kind === message.symbolTable) await readSymbolTable(structures, fields(), add);
    if (kind === message.link) readLink(fields(), add);
    if (kind === message.linkInfo) refuseDense(structures, fields());
  }
  return links;
}

type Add = (name: string, address: number) => void;
type MessageFields = ReturnType<Message["fields"]>;

/** Size of a tree node's head, in bytes. */
const NODE_HEAD = 24;
const SYMBOL = 40;
/** The cache type of a symbol that is a soft link. */
const SOFT_LINK = 2;

async function readSymbolTable(structures: Structures, table: MessageFields, add: Add): Promise<void> {
  const [tree, heap] = [table.address(), table.address()];
  const names = await readHeap(structures, heap);
  const nodes = [tree];
  while (nodes.length > 0) {
    const address = nodes.pop();
    structures.enter(address);
    const signature = (await structures.fields(address, 4)).bytes(4);
    if (String.fromCharCode(...signature) === "SNOD") {
      await readSymbols(structures, address!, names, add);
      continue;
    }
    const head = await structures.fields(address, NODE_HEAD);
    head.expect("TREE");
    if (head.u8() !== 0) structures.refuse("a group's tree is that of something else");
    head.skip(1);
    const count = head.u16();
    const children = await structures.fields(address! + NODE_HEAD, 16 * count);
    const below = Array.from({ length: count }, () => {
      children.skip(8); // the key
      return children.address();
    });
    nodes.push(...below.toReversed());
  }
}

async function readSymbols(
  structures: Structures,
  address: number,
  names: (at: number) => string,
  add: Add,
): Promise<void> {
  const head = await structures.fields(address, 8);
  head.skip(6);
  const count = head.u16();
  const symbols = await structures.fields(address + 8, SYMBOL * count);
  for (let i = 0; i < count; i++) {
    const [name, object, kind] = [symbols.u64(), symbols.address(), symbols.u32()] as const;
    symbols.skip(SYMBOL - 20);
    if (kind !== SOFT_LINK) add(names(name), object ?? structures.refuse("a group's member lies nowhere"));
  }
}

/** Returns a function that reads the name of a group's member at an offset of the heap. Each name ends with a zero. */
async function readHeap(structures: Structures, address: number | undefined): Promise<(at: number) => string> {
  structures.enter(address);
  const head = await structures.fields(address, 32);
  head.expect("HEAP");
  head.skip(4);
  const size = head.u64();
  head.skip(8);
  const bytes = (await structures.fields(head.address(), size)).bytes(size);
  return (at) => {
    const end = bytes.indexOf(0, at);
    if (at >= size || end < 0) structures.refuse("the name of a group's member ends too early");
    return new TextDecoder().decode(bytes.subarray(at, end));
  };
}

function readLink(fields: MessageFields, add: Add): void {
  if (fields.u8() !== 1) fields.refuse("a link is of another version than 1");
  const flags = fields.u8();
  const isHard = flags & 8 ? fields.u8() === 0 : true;
  if (flags & 4) fields.skip(8);
  if (flags & 16) fields.skip(1);
  const length = fields.uint(1 << (flags & 3));
  const name = new TextDecoder().decode(fields.bytes(length));
  if (isHard) add(name, fields.address() ?? fields.refuse("a group's member lies nowhere"));
}

function refuseDense({ file }: Structures, fields: MessageFields): void {
  fields.skip(1);
  if (fields.u8() & 1) fields.skip(8);
  if (fields.address() === undefined) return;
  throw new UnsupportedError(
    `${file.name}: its groups are written for the newest HDF5 alone; write it again as Keras does, by ` +
      'h5py.File(path, "w") without libver',
  );
}
