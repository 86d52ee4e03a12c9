import { type Damage, damageBytes } from "./damage.ts";
import { npyOf } from "./npy.ts";
import { pick, type Random } from "./random.ts";
import { type ZipMember, zipOf } from "./zip.ts";

const numbers = Uint8Array.from({ length: 48 }, (_, i) => i * 37);
const members: readonly ZipMember[] = [
  { name: "conv1.weight.npy", bytes: npyOf({ descr: "<f4", shape: [2, 3, 2] }, numbers) },
  { name: "fc.npy", bytes: npyOf({ descr: ">f8", shape: [2, 3], isFortran: true }, numbers), isDeflated: true },
  { name: "half.npy", bytes: npyOf({ descr: "<f2", shape: [6, 4], isFortran: true }, numbers) },
  { name: "labels.npy", bytes: npyOf({ descr: "<U2", shape: [6] }, numbers) },
];

/** An archive as NumPy writes it: stored, compressed, big-endian, in Fortran order, with text. */
export const npz: Uint8Array = zipOf(members);

const pieces = [
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  "'",
  '"',
  ",",
  ":",
  "-1",
  "0",
  "3",
  "1e9",
  "4294967296",
  "9007199254740993",
  "L",
  "True",
  "False",
  "None",
  "descr",
  "shape",
  "fortran_order",
  "<f4",
  ">i8",
  "|O",
  "<f16",
  "|b1",
  "\\",
  "\0",
  "é",
  "__import__('os')",
  "(".repeat(99),
  "1,".repeat(99),
];

/** Replaces a piece of one array's header. The zip around the array stays valid. */
function editHeader(random: Random): Uint8Array {
  const edited = pick(random, members);
  const bytes = Buffer.from(edited.bytes);
  const end = bytes.readUInt16LE(8) + 10;
  let text = bytes.toString("latin1", 10, end);
  for (let edits = 1 + random(2); edits > 0; edits--) {
    const places = [...text.matchAll(/\d+|'[^']*'|[()[\]{},:]|\w+/g)];
    if (places.length === 0) break;
    const { index, 0: found } = pick(random, places);
    text = text.slice(0, index) + pick(random, pieces) + text.slice(index + (random(3) ? found.length : 0));
  }
  const start = bytes.subarray(0, 10);
  start.writeUInt16LE(Math.min(text.length, 0xffff), 8);
  const changed = Buffer.concat([start, Buffer.from(text, "latin1"), bytes.subarray(end)]);
  return zipOf(members.map((member) => (member === edited ? { ...member, bytes: changed } : member)));
}

const damageAny = damageBytes(npz);

export const damageNpz: Damage = (random) => (random(2) ? editHeader(random) : damageAny(random));
