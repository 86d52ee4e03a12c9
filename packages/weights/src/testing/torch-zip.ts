import { crc32 } from "node:zlib";

/** A zip as torch.save writes it: members stored as they are, each of them aligned to 64 bytes. */
export function torchZip(members: { readonly [name: string]: Uint8Array }, folder = "archive"): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [member, bytes] of Object.entries(members)) {
    const name = Buffer.from(`${folder}/${member}`);
    const padding = (64 - ((at + 30 + name.length) % 64)) % 64;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt32LE(crc32(bytes), 14);
    local.writeUInt32LE(bytes.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(padding, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt32LE(crc32(bytes), 16);
    central.writeUInt32LE(bytes.length, 20);
    central.writeUInt32LE(bytes.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    directory.push(central, name);
    const piece = [local, name, Buffer.alloc(padding), Buffer.from(bytes)];
    parts.push(...piece);
    at += piece.reduce((sum, { length }) => sum + length, 0);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(members).length, 8);
  end.writeUInt16LE(Object.keys(members).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...parts, central, end]));
}

/** A pickle of protocol 2 of a dictionary of float32 tensors, each of them with a storage of its own: "0", "1", … */
export function torchPickle(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Uint8Array {
  const parts = ["\x80\x02}("];
  for (const [i, { name, shape }] of tensors.entries()) {
    const size = shape.reduce((product, length) => product * length, 1);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
    const storage = `(${text("storage")}ctorch\nFloatStorage\n${text(String(i))}${text("cpu")}${int(size)}tQ`;
    parts.push(
      `${text(name)}ctorch._utils\n_rebuild_tensor_v2\n(${storage}${int(0)}${tuple(shape)}${tuple(strides)}\x89}tR`,
    );
  }
  return Uint8Array.from(`${parts.join("")}u.`, (character) => character.charCodeAt(0));
}

const int = (value: number): string => `J${bytesOf(value)}`;
const tuple = (values: readonly number[]): string => `(${values.map(int).join("")}t`;
const text = (value: string): string => `X${bytesOf(value.length)}${value}`;

function bytesOf(value: number): string {
  return [0, 8, 16, 24].map((shift) => String.fromCharCode((value >>> shift) & 255)).join("");
}
