import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, isTensor, readTensor, UnsupportedError } from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { bitsOf } from "../testing/bits.ts";
import { npyOf } from "../testing/npy.ts";
import { type ZipMember, zipOf } from "../testing/zip.ts";

const fixtures = new URL("fixtures/", import.meta.url);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-npz-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("what NumPy wrote (fixtures/make.py)", () => {
  it.each(["stored", "compressed"])(
    "%s.npz has the bits that safetensors' own writer gave its arrays",
    async (name) => {
      const expected = await bitsOf(await readWeights(new URL("arrays.safetensors", fixtures)));
      expect(await bitsOf(await readWeights(new URL(`${name}.npz`, fixtures)))).toEqual(expected);
      const bytes = await readFile(new URL(`${name}.npz`, fixtures));
      expect(await bitsOf(await readWeights(bytes))).toEqual(expected);
    },
  );

  it("names come in the archive's order", async () => {
    const { tensors } = await readWeights(new URL("stored.npz", fixtures));
    expect([...tensors.keys()].slice(0, 4)).toEqual(["conv1.weight", "fc/kernel", "half", "double"]);
  });

  it("what holds no numbers is left out, and a note says so", async () => {
    const { tensors, notes } = await readWeights(new URL("others.npz", fixtures));
    expect([...tensors.keys()]).toEqual(["weight"]);
    expect(notes).toEqual(['left out what holds no numbers: "labels.npy", "config.npy", "log.npy"']);
  });
});

it.each([
  ["row-major", "<f4", false, [0, 1, 2, 3, 4, 5]],
  ["big-endian", ">f4", false, [0, 1, 2, 3, 4, 5]],
  ["with the first axis innermost", "<f4", true, [0, 2, 4, 1, 3, 5]],
])("a file of one array %s has the tensor `array`", async (_, descr, isFortran, expected) => {
  const view = new DataView(new ArrayBuffer(24));
  for (let i = 0; i < 6; i++) view.setFloat32(i * 4, i, descr === "<f4");
  const bytes = npyOf({ descr, shape: [2, 3], isFortran }, new Uint8Array(view.buffer));
  const { tensors } = await readWeights(bytes);
  expect([...tensors.keys()]).toEqual(["array"]);
  const { shape, data } = await readTensor(tensors.get("array")!);
  expect([shape, [...data]]).toEqual([[2, 3], expected]);
});

describe("large archives", () => {
  it("are not held in memory, and have the same bits", async () => {
    const shapes = [[2048, 2048, 2], [3], [512, 1024]];
    const data = shapes.map((shape, k) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return Float32Array.from({ length: size }, (_, i) => Math.sin(i * (k + 1)));
    });
    const members = data.map((numbers, i) => ({
      name: `${"t".repeat(i + 1)}.npy`, // names of all lengths, so that numbers begin at every offset
      bytes: npyOf({ descr: "<f4", shape: shapes[i]! }, new Uint8Array(numbers.buffer)),
    }));
    const file = join(folder, "large.npz");
    await writeFile(file, zipOf(members));
    const { tensors } = await readWeights(file);
    expect([...tensors].filter(([, source]) => !isTensor(source)).map(([name]) => name)).toEqual(["t", "ttt"]);
    for (const [i, source] of [...tensors.values()].entries()) {
      const found = await readTensor(source);
      expect(found.shape).toEqual(shapes[i]);
      const { buffer, byteOffset, byteLength } = found.data;
      expect(Buffer.compare(new Uint8Array(buffer, byteOffset, byteLength), new Uint8Array(data[i]!.buffer))).toBe(0);
    }
  });
});

const one = npyOf({ descr: "<f4", shape: [2] }, new Uint8Array(8));
const archive = (...members: Partial<ZipMember>[]) =>
  zipOf(members.map((member, i) => ({ name: `a${i}.npy`, bytes: one, ...member })));

describe("hostile archives are typed errors", () => {
  it.each<[string, Uint8Array, typeof FormatError | typeof UnsupportedError, RegExp]>([
    ["two arrays of one name", archive({ name: "a.npy" }, { name: "a.npy" }), FormatError, /two arrays "a"/],
    [
      "a shape of more numbers than there are",
      archive({ bytes: npyOf({ descr: "<f4", shape: [2 ** 40] }, new Uint8Array(8)) }),
      FormatError,
      /followed by 8 bytes, expected 4398046511104 for F32/,
    ],
    [
      "a shape beyond all numbers",
      archive({ bytes: npyOf({ descr: "<f4", shape: Array(40).fill(2 ** 30) }, new Uint8Array(8)) }),
      FormatError,
      /followed by 8 bytes/,
    ],
    ["an array cut off", archive({ bytes: one.subarray(0, -1) }), FormatError, /followed by 7 bytes, expected 8/],
    [
      "a bomb: 32 MiB of zeros in 32 KB",
      archive({ isDeflated: true, bytes: npyOf({ descr: "<f4", shape: [2 ** 23] }, new Uint8Array(2 ** 25)) }),
      UnsupportedError,
      /its compressed data take 33554560 bytes or more once unpacked, expected at most 8388608; save it without/,
    ],
    [
      "many bombs, each of them allowed",
      archive(
        ...Array.from({ length: 20 }, () => ({
          isDeflated: true,
          bytes: npyOf({ descr: "<f4", shape: [2 ** 18] }, new Uint8Array(2 ** 20)),
        })),
      ),
      UnsupportedError,
      /once unpacked/,
    ],
    [
      "a claim of 4 GiB",
      archive({ isDeflated: true, unpackedSize: 2 ** 32 - 2 }),
      UnsupportedError,
      /take 4294967294 bytes/,
    ],
    [
      "less than there is",
      archive({ isDeflated: true, unpackedSize: one.length - 1 }),
      FormatError,
      /more than \d+ bytes;/,
    ],
    [
      "more than there is",
      archive({ isDeflated: true, unpackedSize: one.length + 1 }),
      FormatError,
      /are 136 bytes, expected 137/,
    ],
    [
      "a bomb that is allowed, and is not once it is float32 and in a row",
      archive({
        isDeflated: true,
        bytes: npyOf({ descr: ">f2", shape: [2 ** 10, 2 ** 11], isFortran: true }, new Uint8Array(2 ** 22)),
      }),
      UnsupportedError,
      /take 25165952 bytes or more once unpacked/,
    ],
    ["another checksum", archive({ isDeflated: true, crc: 7 }), FormatError, /"a0\.npy" has another checksum/],
    [
      "no arrays",
      archive({ name: "a.npy", bytes: npyOf({ descr: "|O", shape: [] }, one) }),
      UnsupportedError,
      /no arrays of numbers: "a\.npy"/,
    ],
  ])("%s", async (_, bytes, kind, message) => {
    const reading = readWeights(bytes);
    await expect(reading).rejects.toThrow(kind);
    await expect(reading).rejects.toThrow(message);
  });
});
