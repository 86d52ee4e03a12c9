import { FormatError, sizeOf, type Tensor, tensor, tensorOf, UnsupportedError } from "@residual/core";
import { expect, it } from "vitest";
import { encodeSafetensors } from "./encode-safetensors.ts";
import { readWeights } from "./read-weights.ts";
import { fileOf, join } from "./testing/bytes.ts";
import { pick, type Random, randomFrom } from "./testing/random.ts";
import type { Weights } from "./weights.ts";

const header = JSON.stringify({
  __metadata__: { format: "pt", 残差: "\u0000" },
  "layer1.0.conv1.weight": { dtype: "F32", shape: [2, 1, 3], data_offsets: [0, 24] },
  __proto_: { dtype: "F16", shape: [4], data_offsets: [24, 32] },
  count: { dtype: "I64", shape: [], data_offsets: [32, 40] },
  empty: { dtype: "BF16", shape: [0, 7], data_offsets: [40, 40] },
  pixels: { dtype: "U8", shape: [3], data_offsets: [40, 43] },
});
const data = Uint8Array.from({ length: 43 }, (_, i) => i * 37);
const original = fileOf(header, data);
const other = join(
  encodeSafetensors({ a: tensor([2], [1, 2]), b: tensorOf("uint8", [5], new Uint8Array(5)) }, { note: "other" }),
);

// biome-ignore format: a list
const hostileNumbers = [
  "-1", "-0", "0", "1", "1.0", "1e0", "1e308", "1e999", "-1e308", "NaN", "Infinity", "9007199254740991", "9007199254740992",
  "18446744073709551615", "18446744073709551616", "4294967296", "2147483648", "99999999999999999999999999999999", "00", "0x10",
  "null", "true", '"8"', "[]", "{}", "[[[[]]]]", "1,1", "1,,1", "4294967296,4294967296", "0,9007199254740991", "1073741824",
];
// biome-ignore format: a list
const hostilePieces = [
  '"', "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", ",", ":", " ", "\u0000", "é", "__metadata__", "__proto__", "constructor",
  "dtype", "shape", "data_offsets", "F32", "F64", "F8_E4M3", "BOOL", "I8", "C64", "[".repeat(500), '{"a":'.repeat(500), "\ufeff",
];

function flipHeaderBytes(random: Random): Uint8Array {
  const bytes = original.slice();
  for (let flips = 1 + random(3); flips > 0; flips--) bytes[8 + random(header.length)]! ^= 1 << random(8);
  return bytes;
}

function changeLength(random: Random): Uint8Array {
  const near = BigInt(original.length - 8 - random(60));
  const far = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 100_000_000n, 100_000_001n];
  return fileOf(header, data, pick(random, [near, BigInt(random(600)), pick(random, far), BigInt(random(2 ** 32))]));
}

function truncate(random: Random): Uint8Array {
  return original.slice(0, random(original.length));
}

function extend(random: Random): Uint8Array {
  return join([original, Uint8Array.from({ length: 1 + random(9) }, () => random(256))]);
}

function splice(random: Random): Uint8Array {
  const [from, to] = [pick(random, [original, other]), pick(random, [original, other])];
  const [start, cut] = [random(from.length), random(to.length)];
  return join([to.subarray(0, cut), from.subarray(start, start + random(60)), to.subarray(cut + random(60))]);
}

/** Replaces a number or another piece in the header's text. The length before the header is corrected. */
function editText(random: Random): Uint8Array {
  let text = header;
  for (let edits = 1 + random(2); edits > 0; edits--) {
    const places = [...text.matchAll(random(2) ? /\d+/g : /"[^"]*"|[[\]{},:]/g)];
    const { index = 0, 0: found = "" } = places.length > 0 ? pick(random, places) : { index: 0 };
    const piece = pick(random, pick(random, [hostileNumbers, hostilePieces, places.map((place) => place[0])]));
    text = text.slice(0, index) + (piece ?? "") + text.slice(index + (random(4) ? found.length : 0));
  }
  return fileOf(text, data);
}

/** Replaces entries in a header that stays valid JSON: shapes, dtypes and offsets change; keys are removed or added. */
function editEntries(random: Random): Uint8Array {
  const entries = JSON.parse(header) as Record<string, Record<string, unknown>>;
  const entry = entries[pick(random, Object.keys(entries))]!;
  const sizes = [0, 1, 2, 3, 4, 6, 8, 24, 32, 40, 43, 2 ** 20, 2 ** 31, 2 ** 52, -1, 0.5, 1e21];
  const list = () => Array.from({ length: random(4) }, () => pick(random, sizes));
  const edits = [
    () => (entry.shape = list()),
    () => (entry.data_offsets = list()),
    () => (entry.data_offsets = [random(44), random(44)]),
    () => (entry.dtype = pick(random, ["F64", "F32", "F16", "BF16", "I64", "I32", "U8", "I8", "BOOL", "F4", 7, null])),
    () => delete entry[pick(random, Object.keys(entry))],
    () => (entry[pick(random, ["strides", "__proto__", "DTYPE"])] = list()),
    () => delete entries[pick(random, Object.keys(entries))],
    () => (entries[`more${random(3)}`] = { dtype: "U8", shape: [random(3)], data_offsets: [43, 43 + random(3)] }),
  ];
  for (let count = 1 + random(2); count > 0; count--) pick(random, edits)();
  return fileOf(JSON.stringify(entries), random(4) ? data : data.slice(0, random(44)));
}

/** Replaces dtypes in entries that otherwise stay valid. The new dtype may have another size. */
function swapDTypes(random: Random): Uint8Array {
  const names = [
    "BOOL",
    "U8",
    "I8",
    "F8_E5M2",
    "U16",
    "I16",
    "F16",
    "BF16",
    "U32",
    "I32",
    "F32",
    "U64",
    "I64",
    "F64",
    "C64",
  ];
  return fileOf(
    header.replace(/"(F32|F16|BF16|I64|U8)"/g, (same) => (random(3) ? same : `"${pick(random, names)}"`)),
    data,
  );
}

/** Flips a bit of the data. The file stays valid, because all bits are valid data. */
function flipDataBytes(random: Random): Uint8Array {
  const bytes = original.slice();
  bytes[original.length - 1 - random(data.length)]! ^= 1 << random(8);
  return bytes;
}

const mutations = [
  flipHeaderBytes,
  changeLength,
  truncate,
  extend,
  splice,
  editText,
  editEntries,
  swapDTypes,
  flipDataBytes,
];

function checkSizes({ tensors }: Weights<Tensor>, fileLength: number): void {
  for (const { shape, data } of tensors.values()) {
    if (data.length !== sizeOf(shape)) throw new Error(`a tensor of shape [${shape.join()}] holds ${data.length}`);
    if (data.byteLength > 2 * fileLength) throw new Error(`${data.byteLength} bytes out of a file of ${fileLength}`);
  }
}

async function outcomeOf(bytes: Uint8Array): Promise<"read" | "FormatError" | "UnsupportedError"> {
  try {
    checkSizes(await readWeights(bytes), bytes.length);
    return "read";
  } catch (error) {
    if (error instanceof FormatError || error instanceof UnsupportedError) return error.code;
    throw error;
  }
}

it("reads the original", async () => {
  expect(await outcomeOf(original)).toBe("read");
});

it("reads or refuses 100,000 damaged files: never another error, a wrong size or a large allocation", async () => {
  const random = randomFrom("mutations");
  const counts = { read: 0, FormatError: 0, UnsupportedError: 0 };
  const before = process.memoryUsage().arrayBuffers;
  let [count, most] = [0, 0];
  for (; count < 100_000; count++) {
    const bytes = mutations[count % mutations.length]!(random);
    const outcome = await outcomeOf(bytes).catch((cause) => {
      throw new Error(`mutation ${count}: ${Buffer.from(bytes).toString("base64")}`, { cause });
    });
    counts[outcome]++;
    if (count % 500 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(counts.read + counts.FormatError + counts.UnsupportedError).toBe(100_000);
  for (const outcome of Object.values(counts)) expect(outcome).toBeGreaterThan(500); // every kind of outcome occurs
  expect(most).toBeLessThan(64 * 2 ** 20); // leaves room for garbage; a hostile shape would take more
});
