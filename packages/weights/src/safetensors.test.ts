import { FormatError, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { headerLength, parseHeader } from "./safetensors.ts";

function parse(header: string | object, dataLength = 8) {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  return parseHeader(new TextEncoder().encode(text), dataLength, "a.safetensors");
}

const x = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const entryText = JSON.stringify(x);

describe("parseHeader reads", () => {
  it("tensors in the header's order, and the metadata", () => {
    const header = parse({
      b: { ...x, shape: [1], data_offsets: [4, 8] },
      __metadata__: { format: "pt" },
      a: { ...x, shape: [1], data_offsets: [0, 4] },
    });
    expect(header.entries.map(({ name, begin }) => [name, begin])).toEqual([
      ["b", 4],
      ["a", 0],
    ]);
    expect(header.metadata).toEqual({ format: "pt" });
  });

  it("scalars, empty tensors and no tensors at all", () => {
    expect(parse("{}", 0).entries).toEqual([]);
    expect(parse({ scalar: { ...x, shape: [], data_offsets: [0, 4] } }, 4).entries[0]?.shape).toEqual([]);
    const empty = {
      e: { ...x, shape: [0, 9], data_offsets: [8, 8] },
      x,
      f: { ...x, shape: [0], data_offsets: [0, 0] },
    };
    expect(parse(empty).entries).toHaveLength(3);
  });

  it("metadata null as none, as the reference implementation does", () => {
    expect(parse({ __metadata__: null, x }).metadata).toEqual({});
    expect(parse(`{"x":${entryText}, "__metadata__" : null }`).entries).toHaveLength(1);
  });

  it("space around every token", () => {
    expect(parse(entryText.replace(/^/, '{ "x" :\n').replace(/,/g, " ,\t").concat(" } \r\n")).entries).toHaveLength(1);
  });

  it("escaped and unescaped names alike", () => {
    expect(parse(`{"\\u6b8b差\\n\\\\\\"":${entryText}}`).entries[0]?.name).toBe('残差\n\\"');
  });

  it("the name __proto__ as a name like any other", () => {
    const header = parse(`{"__proto__":${entryText},"__metadata__":{"__proto__":"polluted","constructor":"c"}}`);
    expect(header.entries[0]?.name).toBe("__proto__");
    expect(Object.hasOwn(header.metadata, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(header.metadata)).toBe(Object.prototype);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("a header of a hundred thousand tensors in linear time", () => {
    const many = Array.from(
      { length: 100_000 },
      (_, i) => `"layer${i}":{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`,
    );
    expect(parse(`{${many.join()}}`, 100_000).entries).toHaveLength(100_000);
  });

  it("a name of ten megabytes", () => {
    expect(parse(`{"${"n".repeat(10_000_000)}":${entryText}}`).entries[0]?.name).toHaveLength(10_000_000);
  });
});

const refused: readonly [what: string, header: string | object, message: RegExp, dataLength?: number][] = [
  ["nothing", "", /its header starts with nothing, expected "\{"/],
  ["space before the object", ` {"x":${entryText}}`, /starts with byte 0x20/],
  ["an array", "[]", /starts with byte 0x5b/],
  ["text after the object", `{"x":${entryText}}}`, /found "\}", expected the end/],
  ["an object that does not end", `{"x":${entryText}`, /found the end, expected ","/],
  ["a comma too many", `{"x":${entryText},}`, /expected a string/],
  ["a name that does not end", '{"x', /a string has no end/],
  ["a raw control character", '{"\n":1}', /expected a string without control characters/],
  ["half a surrogate pair", `{"\\ud800":${entryText}}`, /holds half a surrogate pair/],
  ["a tensor named twice", `{"x":${entryText},"x":${entryText}}`, /the key "x" comes twice/],
  ["a tensor named twice, once escaped", `{"x":${entryText},"\\u0078":${entryText}}`, /the key "x" comes twice/],
  ["metadata twice", '{"__metadata__":{},"__metadata__":{}}', /"__metadata__" comes twice/],
  ["a metadata key twice", '{"__metadata__":{"a":"1","a":"2"}}', /its __metadata__: the key "a" comes twice/],
  ["metadata that is no object", { __metadata__: "pt" }, /its __metadata__: .*expected "\{"/],
  ["metadata nul", `{"__metadata__":nul,"x":${entryText}}`, /its __metadata__: .*found "nul/],
  ["metadata that is a number", { __metadata__: { epochs: 3 } }, /its __metadata__: .*found "3.*expected a string/],
  ["an entry that is an array", { x: [1] }, /tensor "x": .*expected "\{"/],
  ["an entry that lacks its dtype", { x: { shape: [2], data_offsets: [0, 8] } }, /tensor "x": .*one is missing/],
  [
    "a key twice in an entry",
    `{"x":{"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]}}`,
    /"dtype" comes twice/,
  ],
  ["an unknown key in an entry", { x: { ...x, strides: [1] } }, /tensor "x": found the key "strides"/],
  ["an unknown dtype", { x: { ...x, dtype: "F31" } }, /tensor "x": dtype "F31" is unknown, expected BOOL/],
  ["a dtype of Object's", { x: { ...x, dtype: "constructor" } }, /dtype "constructor" is unknown/],
  ["a negative size", { x: { ...x, shape: [-2] } }, /found "-2.*expected a whole number/],
  ["a fraction", { x: { ...x, shape: [2.5] } }, /expected a whole number/],
  ["2.0", `{"x":${entryText.replace("[2]", "[2.0]")}}`, /expected a whole number/],
  ["an exponent", `{"x":${entryText.replace("[2]", "[1e308]")}}`, /found "1e308.*expected a whole number/],
  ["a leading zero", `{"x":${entryText.replace("[2]", "[02]")}}`, /expected a whole number/],
  [
    "a size over 2^53",
    `{"x":${entryText.replace("[2]", "[9007199254740993]")}}`,
    /expected a whole number from 0 to 2\^53/,
  ],
  ["a size that is a string", { x: { ...x, shape: ["2"] } }, /expected a whole number/],
  ["a product over 2^53", { x: { ...x, shape: [2 ** 40, 2 ** 40] } }, /hold 8 bytes, expected over 2\^53/],
  [
    "a product that overflows before a zero",
    { x: { ...x, shape: [2 ** 40, 2 ** 40, 0], data_offsets: [0, 0] } },
    /over 2\^53/,
  ],
  ["one offset", { x: { ...x, data_offsets: [8] } }, /found 1 data_offsets, expected 2/],
  ["three offsets", { x: { ...x, data_offsets: [0, 8, 8] } }, /found 3 data_offsets, expected 2/],
  ["an end before its begin", { x: { ...x, data_offsets: [8, 0] } }, /\[8, 0\] lie outside the 8 bytes/],
  ["an end outside the data", { x: { ...x, shape: [4], data_offsets: [0, 16] } }, /\[0, 16\] lie outside the 8 bytes/],
  ["a size that is not the shape's", { x: { ...x, shape: [3] } }, /\[0, 8\] hold 8 bytes, expected 12 for F32 3/],
  ["a hole", { x: { ...x, shape: [1], data_offsets: [4, 8] } }, /tensor "x": begins at byte 4 of the data, expected 0/],
  [
    "an overlap",
    { x, y: { ...x, shape: [1], data_offsets: [4, 8] } },
    /tensor "y": begins at byte 4 of the data, expected 8/,
  ],
  ["the same bytes twice", { x, y: x }, /tensor "y": begins at byte 0 of the data, expected 8/],
  ["bytes after the last tensor", { x }, /its tensors end at byte 8 of the data, which holds 9/, 9],
  ["truncated data", { x }, /\[0, 8\] lie outside the 7 bytes/, 7],
  ["deep nesting", `{"x":${"[".repeat(1_000_000)}`, /tensor "x": .*expected "\{"/],
  ["deep nesting in a shape", `{"x":{"shape":${"[".repeat(1_000_000)}`, /tensor "x": .*expected a whole number/],
];

describe("parseHeader refuses", () => {
  it.each(refused)("%s", (_, header, message, dataLength) => {
    expect(() => parse(header, dataLength)).toThrow(FormatError);
    expect(() => parse(header, dataLength)).toThrow(message);
    expect(() => parse(header, dataLength)).toThrow(/^a\.safetensors: .*download or save it again$/);
  });

  it("bytes that are not UTF-8, and a byte order mark", () => {
    const bytes = new TextEncoder().encode(`{"x":${entryText}}`);
    bytes[2] = 0xff;
    expect(() => parseHeader(bytes, 8, "a")).toThrow("a: its header is not UTF-8");
    expect(() => parse(`\ufeff{"x":${entryText}}`)).toThrow(/starts with byte 0xef/);
  });

  it.each<[string, (count: number) => string]>([
    [
      "100000 tensors",
      (count) =>
        Array.from({ length: count }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join(),
    ],
    ["10000 metadata", (count) => `"__metadata__":{${Array.from({ length: count }, (_, i) => `"${i}":""`).join()}}`],
    ["64 axes", (count) => `"a":{"dtype":"U8","shape":[${Array(count).fill(0).join()}],"data_offsets":[0,0]}`],
  ])("more than %s, of which each takes memory", (most, header) => {
    const count = Number.parseInt(most, 10);
    expect(parse(`{${header(count)}}`, 0)).toBeDefined();
    for (const more of [count + 1, 3 * count]) {
      expect(() => parse(`{${header(more)}}`, 0)).toThrow(UnsupportedError);
      expect(() => parse(`{${header(more)}}`, 0)).toThrow(`a.safetensors: its header has more than ${most}`);
    }
  });

  it("names too long to print, in a short message of one line", () => {
    const name = `\\n${"n".repeat(10_000)}`;
    expect(() => parse(`{"${name}":{}}`)).toThrow(/^.{0,300}$/);
  });
});

describe("headerLength", () => {
  const prefix = (length: bigint) => new Uint8Array(new BigUint64Array([length]).buffer);

  it("reads 64 bits, little-endian", () => {
    expect(headerLength(prefix(0x0102n), 10_000, "a")).toBe(0x0102);
  });

  it.each([
    ["a file of 7 bytes", prefix(0n), 7, /found 7 bytes, expected at least 8/],
    ["more than the file holds", prefix(93n), 100, /claims 93 bytes, expected at most 92/],
    ["more than 100 MB", prefix(100_000_001n), 10 ** 12, /claims 100000001 bytes, expected at most 100000000/],
    ["2⁶⁴ − 1", prefix(2n ** 64n - 1n), 10 ** 12, /claims 18446744073709551615 bytes/],
  ])("refuses %s", (_, bytes, fileLength, message) => {
    expect(() => headerLength(bytes, fileLength, "a")).toThrow(FormatError);
    expect(() => headerLength(bytes, fileLength, "a")).toThrow(message);
  });
});
