import { crc32 } from "node:zlib";

/** A zip as torch.save writes it: members stored as they are, each of them aligned to 64 bytes. */
export function torchZip(members: { readonly [name: string]: Uint8Array }, folder = "archive"): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [member, bytes] of Object.entries(members)) {
    const name = Buffer.from(`${folder}/${member}`);
    const padding = (64 - ((at + 30 + name.length) % 64)) % 64;
    const local = headOf(bytes, name, { length: 30, signature: 0x04034b50, from: 14 });
    local.writeUInt16LE(padding, 28);
    const central = headOf(bytes, name, { length: 46, signature: 0x02014b50, from: 16 });
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

/** The head of a member, beside it or in the directory: checksum, sizes and the name's length stand at `from`. */
function headOf(
  bytes: Uint8Array,
  name: Buffer,
  { length, signature, from }: { readonly length: number; readonly signature: number; readonly from: number },
): Buffer {
  const head = Buffer.alloc(length);
  head.writeUInt32LE(signature, 0);
  head.writeUInt32LE(crc32(bytes), from);
  head.writeUInt32LE(bytes.length, from + 4);
  head.writeUInt32LE(bytes.length, from + 8);
  head.writeUInt16LE(name.length, from + 12);
  return head;
}

/** A pickle of protocol 2 of a dictionary of float32 tensors, with the storages "0", "1", …, one for each */
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
