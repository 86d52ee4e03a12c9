import { appendFile, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AbortError,
  bind,
  FormatError,
  firstNonFinite,
  graph,
  input,
  isTensor,
  type LazySource,
  ops,
  parameter,
  readRows,
  readTensor,
  type Source,
  tensorOf,
  WeightsError,
} from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readWeights } from "./read-weights.ts";
import type { Weights } from "./weights.ts";
import { writeSafetensors } from "./write-safetensors.ts";

/** More than 32 MiB in all. Chunks of 1 MiB end in the middle of tensors. */
const sizes = { a: [3, 1000, 1100], tiny: [7], b: [2, 2, 1400000] } as const;

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
  file = join(folder, "large.safetensors");
});
afterAll(() => rm(folder, { recursive: true }));

const numbers = (shape: readonly number[], seed: number) => {
  const data = new Float32Array(shape.reduce((size, length) => size * length, 1));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(seed + i);
  return tensorOf("float32", shape, data);
};
const tensors = {
  a: numbers(sizes.a, 1),
  tiny: numbers(sizes.tiny, 2),
  b: numbers(sizes.b, 3),
  "n.num_batches_tracked": tensorOf("int64", [], BigInt64Array.of(7n)),
};

beforeEach(() => writeSafetensors(file, tensors, { model: "large" }));

describe("a file of 32 MiB or more", () => {
  it("bounds its numbers, and knows no bound of infinity", async () => {
    const place = 4_567_890;
    // The exponents of 3 and of 1/2 combined have all exponent bits of infinity: there is no bound, but all numbers are
    // finite.
    const cases: readonly [number, number | undefined][] = [
      [1.5, 2],
      [3, undefined],
      [1e-40, 2], // the exponents of 1/2 and 1/4 (126 and 125) combined have the bits of 127
      [Infinity, undefined],
    ];
    for (const [number, bound] of cases) {
      const b = numbers(sizes.b, 3);
      b.data[place] = number;
      await writeSafetensors(file, { ...tensors, b });
      const source = lazyIn(await readWeights(file), "b");
      expect([number, source.bound, source.firstNonFinite]).toEqual([number, bound, number === Infinity ? place : -1]);
    }
  });

  it("has the same numbers as its bytes", async () => {
    const [lazy, whole] = [await readWeights(file), await readWeights(await readFile(file))];
    expect(lazy.metadata).toEqual({ model: "large" });
    expect([...lazy.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    for (const [name, source] of lazy.tensors) {
      const [found, expected] = [await readTensor(source), await readTensor(whole.tensors.get(name)!)];
      expect({ name, dtype: found.dtype, shape: found.shape }).toEqual({ ...expected, name, data: undefined });
      expect(Buffer.compare(bytesOf(found.data), bytesOf(expected.data))).toBe(0);
    }
  });

  it("holds its small tensors in memory, and those of whole numbers", async () => {
    const { tensors: found } = await readWeights(file);
    expect([...found].map(([name, source]) => [name, isTensor(source)])).toEqual([
      ["a", false],
      ["tiny", true],
      ["b", false],
      ["n.num_batches_tracked", true],
    ]);
  });

  it("is not read into memory until it is asked for", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const { tensors: lazy } = await readWeights(file);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
    expect(lazy.size).toBe(4);
  });

  it.each([
    ["a", 0, Number.NaN],
    ["a", 3_299_999, Infinity],
    ["a", 262_143, -Infinity],
    ["tiny", 3, Number.NaN],
    ["b", 1_234_567, Number.NaN],
    ["b", 5_599_999, Infinity],
  ] as const)("has a number in %s at %i that is none", async (name, index, value) => {
    const data = tensors[name].data.slice();
    data[index] = value;
    await writeSafetensors(file, { ...tensors, [name]: tensorOf("float32", tensors[name].shape, data) });
    const weights = await readWeights(file);
    for (const each of ["a", "b"] as const) {
      expect(lazyIn(weights, each).firstNonFinite).toBe(each === name ? index : -1);
    }
    expect(() => bind(model, weights)).toThrow(WeightsError);
    expect(() => bind(model, weights)).toThrow(new RegExp(`${name} is not finite: found .* at index ${index}`));
  });

  it("takes the largest finite numbers and subnormals for what they are", async () => {
    const data = tensors.a.data.map((_, i) => [3.4028234e38, -3.4028234e38, 1e-45, -0][i % 4]!);
    await writeSafetensors(file, { ...tensors, a: tensorOf("float32", sizes.a, data) });
    expect(lazyIn(await readWeights(file), "a").firstNonFinite).toBe(-1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["been written to", () => appendFile(file, "x")],
    ["been replaced", () => rm(file).then(() => writeFile(file, "another"))],
    ["gone", () => rm(file)],
  ])("says so when it has %s", async (_, change) => {
    const source = lazyIn(await readWeights(file), "a");
    await readTensor(source);
    await change();
    await expect(readTensor(source)).rejects.toThrow(FormatError);
    await expect(readTensor(source)).rejects.toThrow("has changed since it was opened; read it again");
  });

  it("gives any rows of a tensor, into either type, as often as asked", async () => {
    const source = lazyIn(await readWeights(file), "a");
    for (const rows of [
      { first: 2, end: 3 },
      { first: 0, end: 2 },
      { first: 1, end: 1 },
    ]) {
      const expected = tensors.a.data.subarray(rows.first * 1_100_000, rows.end * 1_100_000);
      const [narrow, wide] = [new Float32Array(expected.length), new Float64Array(expected.length)];
      await readRows(source, narrow, rows);
      await readRows(source, wide, rows);
      expect(bytesOf(narrow).equals(bytesOf(expected))).toBe(true);
      expect(bytesOf(wide).equals(bytesOf(Float64Array.from(expected)))).toBe(true);
    }
  });

  it("stops when it is aborted", async () => {
    const controller = new AbortController();
    const reading = readWeights(file, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(reading).rejects.toThrow(AbortError);
  });
});

describe("a large file of halves", () => {
  /** Bits of 16-bit floats. F16 is IEEE 754's binary16; BF16 is the upper half of a float32. */
  const stored = {
    F16: { one: 0x3c00, wide: (bits: number) => 1 + (bits - 0x3c00) / 1024, infinity: 0x7c00 },
    BF16: { one: 0x3f80, wide: (bits: number) => 1 + (bits - 0x3f80) / 128, infinity: 0x7f80 },
  } as const;
  const count = 17 << 20;

  async function writeHalves(dtype: "F16" | "BF16", change: (bits: Uint16Array) => void = () => {}): Promise<void> {
    const bits = Uint16Array.from({ length: count }, (_, i) => stored[dtype].one + (i % 100));
    change(bits);
    const header = JSON.stringify({ w: { dtype, shape: [17, 1 << 20], data_offsets: [0, 2 * count] } });
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    await writeFile(file, Buffer.concat([prefix, Buffer.from(header), Buffer.from(bits.buffer)]));
  }

  it.each(["F16", "BF16"] as const)("widens %s when rows are read", async (dtype) => {
    await writeHalves(dtype);
    const source = lazyIn(await readWeights(file), "w");
    const into = new Float32Array(1 << 20);
    await readRows(source, into, { first: 3, end: 4 });
    const expected = into.map((_, i) => stored[dtype].wide(stored[dtype].one + ((i + (3 << 20)) % 100)));
    expect(bytesOf(into).equals(bytesOf(expected))).toBe(true);
    expect(source.firstNonFinite).toBe(-1);
  });

  it.each(["F16", "BF16"] as const)("finds infinity and NaN among %s", async (dtype) => {
    await writeHalves(dtype, (bits) => bits.set([stored[dtype].infinity + 1, stored[dtype].infinity], 12_345_678));
    expect(lazyIn(await readWeights(file), "w").firstNonFinite).toBe(12_345_678);
  });
});

it("reads rows of F64, and finds infinity among them", async () => {
  const data = Float64Array.from({ length: 5 << 20 }, (_, i) => i / 3);
  await writeSafetensors(file, { w: tensorOf("float64", [5, 1 << 20], data) });
  const into = new Float32Array(1 << 20);
  const source = lazyIn(await readWeights(file), "w");
  expect(source).toMatchObject({ dtype: "float64", firstNonFinite: -1 });
  await readRows(source, into, { first: 4, end: 5 });
  expect(bytesOf(into).equals(bytesOf(Float32Array.from(data.subarray(4 << 20))))).toBe(true);
  data[4_000_001] = -Infinity;
  await writeSafetensors(file, { w: tensorOf("float64", [5, 1 << 20], data) });
  expect(lazyIn(await readWeights(file), "w").firstNonFinite).toBe(4_000_001);
});

it("finds numbers of F64 that are beyond float32", async () => {
  const data = new Float64Array(5 << 20).fill(3.4028235677973362e38); // the largest that rounds to a finite float32
  await writeSafetensors(file, { w: tensorOf("float64", [5, 1 << 20], data) });
  expect(lazyIn(await readWeights(file), "w").firstNonFinite).toBe(-1);
  data[3_000_001] = -3.4028235677973366e38; // halfway between float32's largest and 2¹²⁸: 2¹²⁸ − 2¹⁰³
  await writeSafetensors(file, { w: tensorOf("float64", [5, 1 << 20], data) });
  expect(lazyIn(await readWeights(file), "w").firstNonFinite).toBe(3_000_001);
});

/** The size of a number in bytes and the bytes of a NaN, by dtype. */
const storable = {
  F32: [4, [0, 0, 0xc0, 0x7f]],
  F64: [8, [1, 0, 0, 0, 0, 0, 0xf0, 0xff]],
  F16: [2, [1, 0xfc]],
  BF16: [2, [0x81, 0x7f]],
  U8: [1, []],
} as const;

describe("a header in any order, over data in any", () => {
  const part = fc.record({
    dtype: fc.constantFrom("F32", "F64", "F16", "BF16", "U8" as const),
    /** Share of the file's numbers that belong to the tensor. */
    share: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1, noNaN: true })),
    /** Position of the tensor in the header, relative to the others. */
    rank: fc.integer(),
    /** Position of a NaN as a fraction of the tensor. Above 1: no NaN. */
    nan: fc.double({ min: 0, max: 3, noNaN: true }),
  });

  it.each([
    ["of 32 MiB or more", (32 << 20) + 12_345, 25],
    ["of less", 100_000, 200],
  ])("in a file %s: every NaN is found where it is", async (_, size, numRuns) => {
    const parts = fc.array(part, { minLength: 1, maxLength: 9 }).filter((all) => all.some(({ share }) => share > 0));
    const property = fc.asyncProperty(parts, async (all) => {
      const total = all.reduce((sum, { share }) => sum + share, 0);
      let end = 0;
      const laid = all.map(({ dtype, share, rank, nan }, i) => {
        const [bytes] = storable[dtype];
        const count = Math.ceil(((share / total) * size) / bytes);
        const begin = end;
        end += count * bytes;
        const index = nan < 1 && dtype !== "U8" && count > 0 ? Math.floor(nan * count) : -1;
        return { name: `t${i}`, dtype, count, begin, end, rank, index };
      });
      const header = Object.fromEntries(
        laid
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ name, dtype, count, begin, end }) => [name, { dtype, shape: [count], data_offsets: [begin, end] }]),
      );
      const text = Buffer.from(JSON.stringify(header));
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(text.length));
      await using handle = await open(file, "w");
      await handle.write(Buffer.concat([prefix, text]));
      await handle.truncate(8 + text.length + end); // fills the data with zeros
      for (const { dtype, begin, index } of laid) {
        const [bytes, nan] = storable[dtype];
        if (index >= 0) await handle.write(Uint8Array.from(nan), 0, bytes, 8 + text.length + begin + index * bytes);
      }
      const shares: number[] = [];
      const { tensors } = await readWeights(file, { onProgress: ({ done, total }) => shares.push(done / total) });
      expect([...tensors.keys()]).toEqual(Object.keys(header));
      for (const { name, dtype, index } of laid)
        if (dtype !== "U8") expect(firstNonFinite(tensors.get(name) as Source), name).toBe(index);
      expect(shares.at(-1)).toBe(1);
    });
    await fc.assert(property, { numRuns });
  });
});

it("reads and scans every tensor of a large file with empty ones, wherever the header lists them", async () => {
  const big = numbers([10 << 20], 1);
  big.data[100] = Number.NaN;
  const count = BigInt64Array.of(7n, 8n);
  const end = big.data.byteLength;
  const empty = { dtype: "F32", shape: [0] } as const;
  const header = JSON.stringify({
    big: { dtype: "F32", shape: big.shape, data_offsets: [0, end] },
    first: { ...empty, data_offsets: [0, 0] },
    count: { dtype: "I64", shape: [2], data_offsets: [end, end + 16] },
    between: { ...empty, data_offsets: [end, end] },
    last: { ...empty, data_offsets: [end + 16, end + 16] },
    another: { ...empty, data_offsets: [0, 0] },
  }).padEnd(400);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  await writeFile(file, Buffer.concat([prefix, Buffer.from(header), bytesOf(big.data), bytesOf(count)]));
  const weights = await readWeights(file);
  expect(lazyIn(weights, "big").firstNonFinite).toBe(100);
  expect(weights.tensors.get("count")).toEqual(tensorOf("int64", [2], count));
  for (const name of ["first", "between", "last", "another"])
    expect(weights.tensors.get(name)).toEqual(tensorOf("float32", [0], new Float32Array()));
});

it("notices a change in place that sets the time of the last write back", async () => {
  const source = lazyIn(await readWeights(file), "a");
  const { atime, mtime } = await stat(file);
  await using handle = await open(file, "r+");
  await handle.write(Buffer.from([1, 2, 3, 4]), 0, 4, 4096);
  await handle.utimes(atime, mtime);
  await expect(readTensor(source)).rejects.toThrow("has changed since it was opened");
});

function lazyIn({ tensors: found }: Weights, name: string): LazySource {
  const source = found.get(name)!;
  if (isTensor(source)) throw new Error(`${name} is in memory`);
  return source;
}

const x = input("x", [1, 1]);
const flat = (name: keyof typeof sizes) => parameter(name, sizes[name]);
/** Only the parameters matter: the tensors' shapes do not fit any convolution. */
const model = graph({
  name: "large",
  inputs: { x },
  outputs: { a: flat("a"), tiny: flat("tiny"), b: flat("b"), y: ops.relu({ x }) },
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
