import { pick, type Random } from "./random.ts";
import type { Body } from "./wire.ts";

const INPUT = [3, 32, 32];
const SIZE = 3 * 32 * 32;

const shapes = (images: number): readonly unknown[] => [
  [images, ...INPUT],
  [images, ...INPUT],
  [images, ...INPUT],
  [0, ...INPUT],
  [-1, ...INPUT],
  [2 ** 31, ...INPUT],
  [2 ** 53, 2 ** 53, 2 ** 53, 2 ** 53],
  [129, ...INPUT],
  [1, 3, 33, 32],
  [images, SIZE],
  [],
  [1.5, ...INPUT],
  ["1", ...INPUT],
  Array.from({ length: 1000 }, () => 1),
  null,
  { length: 4 },
];

/** Numbers as JSON may write them; some that float32 or JSON do not have. */
const numbers = [
  "0.5",
  "-0",
  "1e38",
  "3.4028236e38",
  "1e999",
  "-1e-400",
  "NaN",
  "Infinity",
  "null",
  '"1"',
  "1e",
  "[1]",
];

function dataOf(random: Random, images: number): string {
  const flat = (count: number) => `[${Array.from({ length: count }, () => `${random(256) / 255}`).join()}]`;
  const makers: readonly (() => string)[] = [
    () => flat(images * SIZE),
    () => flat(images * SIZE),
    () => flat(images * SIZE),
    () => flat(images * SIZE - 1),
    () => `[${Array.from({ length: images * SIZE }, () => pick(random, numbers)).join()}]`,
    () => `[${pick(random, numbers)},${flat(images * SIZE - 1).slice(1)}`,
    () => `${"[".repeat(10 ** (1 + random(5)))}1`,
    () => `${"[".repeat(5000)}1${"]".repeat(5000)}`,
    () => `[${Array.from({ length: images }, () => flat(SIZE)).join()}]`,
    () => "[]",
    () => '{"__proto__":{"length":3072}}',
    () => "",
  ];
  return pick(random, makers)();
}

const parameters = [
  {},
  {},
  { classification: 3 },
  { classification: 2 ** 53 },
  { classification: -1 },
  { timeout: 10_000_000 },
  { binary_data_size: 12_288 },
  { binary_data_size: 2 ** 52 },
  { binary_data: true },
  { binary_data_output: true },
  { binary_data_output: "yes" },
  { ["x".repeat(5000)]: "\u0000" },
  [],
  null,
];

/** The JSON in front of the data; rarely as the model wants it in all its fields. */
function headOf(random: Random, images: number): { readonly [field: string]: unknown } {
  const rare = <T>(usual: T, ...others: readonly T[]): T => (random(8) === 0 ? pick(random, others) : usual);
  return {
    input: {
      name: rare("image", "", "x", "__proto__", "\ud800", "n".repeat(100_000)),
      shape: random(2) === 0 ? [images, ...INPUT] : pick(random, shapes(images)),
      datatype: rare("FP32", "FP64", "FP16", "UINT8", "BYTES", "constructor", ""),
      parameters: rare({}, ...parameters),
    },
    rest: {
      id: rare("7", "", "\u0000", "i".repeat(10_000)),
      ...(random(3) === 0 && { parameters: pick(random, parameters) }),
      ...(random(3) === 0 && { outputs: Array.from({ length: random(20) }, () => outputOf(random)) }),
    },
  };
}

const outputOf = (random: Random): object => ({
  name: pick(random, ["logits", "probabilities", "embedding", "x", "toString"]),
  parameters: pick(random, parameters),
});

export function inferJson(random: Random): Body {
  const images = 1 + random(3);
  const { input, rest } = headOf(random, images);
  const start = JSON.stringify(input).slice(0, -1);
  const inputs = `"inputs":[${start},"data":${dataOf(random, images)}}${random(10) === 0 ? `,${start}}` : ""}]`;
  const text = `${JSON.stringify(rest).slice(0, -1)}${Object.keys(rest as object).length > 0 ? "," : ""}${inputs}}`;
  return { headers: ["Content-Type: application/json"], bytes: Buffer.from(text) };
}

/** A request with binary data: the header's length and the data's may be wrong, the numbers NaN. */
export function inferBinary(random: Random): Body {
  const images = 1 + random(3);
  const { input, rest } = headOf(random, images);
  const bytes = images * SIZE * 4;
  const size = pick(random, [bytes, bytes, bytes, bytes - 1, bytes + 4, 0, 2 ** 40, -4, 1.5]);
  const { parameters: own, ...others } = input as { parameters: object };
  const tensor = { ...others, parameters: { ...own, binary_data_size: size } };
  const json = Buffer.from(JSON.stringify({ inputs: [tensor], ...(rest as object) }));
  const lengths = [json.length, json.length, json.length, json.length + 1, 0, -1, 1e15, "0x10", "7, 7", "", "é"];
  const values = new Float32Array(images * SIZE).fill(0.5);
  if (random(4) === 0) values[random(values.length)] = pick(random, [NaN, Infinity, -Infinity, 3.4e38, 1e-45]);
  return {
    headers: [
      "Content-Type: application/octet-stream",
      `Inference-Header-Content-Length: ${pick(random, lengths)}`,
      ...(random(10) === 0 ? ["Inference-Header-Content-Length: 5"] : []),
    ],
    bytes: Buffer.concat([json, new Uint8Array(values.buffer)]),
  };
}
