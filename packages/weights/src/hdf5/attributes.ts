import { sizeOf, UnsupportedError } from "@residual/core";
import { readDataspace } from "./dataspace.ts";
import { readDatatype } from "./datatype.ts";
import type { GlobalHeap } from "./global-heap.ts";
import { type Message, message } from "./object-header.ts";
import { Fields, type Structures } from "./structures.ts";

/** An attribute whose value is not parsed yet. */
export interface Attribute {
  readonly name: string;
  /** `type`, `space` and `data` each return their fields from the first one. */
  readonly type: () => Fields;
  readonly space: () => Fields;
  readonly data: () => Fields;
}

/** An object's attributes, by name. Source: HDF5 File Format Specification 3.0, IV.A.2.m. */
export function readAttributes(structures: Structures, messages: readonly Message[]): ReadonlyMap<string, Attribute> {
  const found = messages.filter(({ kind }) => kind === message.attribute);
  const attributes = found.map((each) => readAttribute(each.fields(), structures));
  return new Map(attributes.map((attribute) => [attribute.name, attribute]));
}

function readAttribute(fields: Fields, { refuse }: Structures): Attribute {
  const version = fields.u8();
  if (version < 1 || version > 3) refuse(`an attribute is of version ${version}, expected 1 to 3`);
  fields.skip(1);
  const sizes = [fields.u16(), fields.u16(), fields.u16()] as const;
  if (version === 3) fields.skip(1);
  const part = (size: number) => {
    const bytes = fields.bytes(size);
    if (version === 1) fields.skip(Math.min(-size & 7, fields.left));
    return bytes;
  };
  const [name, type, space] = [part(sizes[0]), part(sizes[1]), part(sizes[2])] as const;
  const data = fields.bytes(fields.left);
  return {
    name: textOf(name),
    type: () => new Fields(type, refuse),
    space: () => new Fields(space, refuse),
    data: () => new Fields(data, refuse),
  };
}

/**
 * The texts of an attribute. An attribute without elements has no texts, whatever its type: NumPy stores an empty list
 * as float64. Throws UnsupportedError for an attribute of another type.
 */
export async function readTexts(
  { name, type: described, space, data: value }: Attribute,
  structures: Structures,
  heap: GlobalHeap,
): Promise<readonly string[]> {
  const [data, count] = [value(), sizeOf(readDataspace(space()))] as const;
  const type = readDatatype(described());
  if (count === 0) return [];
  if (type.kind !== "text")
    throw new UnsupportedError(
      `${structures.file.name}: its attribute ${JSON.stringify(name)} is no text, expected the text that Keras writes`,
    );
  if (count * type.size > data.left || type.size === 0)
    structures.refuse(`its attribute ${JSON.stringify(name)} ends too early`);
  const texts: string[] = [];
  while (texts.length < count) {
    const element = new Fields(data.bytes(type.size), structures.refuse);
    const bytes = type.isInHeap ? await heap.read(element) : element.bytes(type.size);
    structures.spend(bytes.length);
    texts.push(textOf(bytes));
  }
  return texts;
}

/** Decodes text up to its first zero. Fixed-size texts are padded with zeros, other texts end with a zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
