import { UnsupportedError } from "@residual/core";
import { expect, it } from "vitest";
import { checkReadable, decodeTensor } from "./decode-tensor.ts";
import { byteSizes, type StoredDType } from "./dtypes.ts";

function decode(dtype: StoredDType, bytes: Uint8Array, offset = 0) {
  const data = new Uint8Array(bytes.length + offset);
  data.set(bytes, offset);
  const shape = [bytes.length / byteSizes[dtype]];
  return decodeTensor({ name: "x", dtype, shape, begin: offset, end: data.length }, data);
}

function decodeWords(dtype: StoredDType, words: readonly number[]) {
  return decode(dtype, new Uint8Array(Uint16Array.from(words).buffer)).data as Float32Array;
}

const every16Bits = Array.from({ length: 65536 }, (_, bits) => bits);

it("widens F16 to its values", () => {
  expect([...decodeWords("F16", [0x3c00, 0xc000, 0x7bff, 1, 0xfc00])]).toEqual([1, -2, 65504, 2 ** -24, -Infinity]);
});

it("keeps the sign and payload of each NaN of F16 and BF16", () => {
  const bitsOf = (dtype: StoredDType, word: number) => new Uint32Array(decodeWords(dtype, [word]).buffer)[0];
  expect(bitsOf("F16", 0xfe01)).toBe(0xffc02000);
  expect(bitsOf("F16", 0x7c01)).toBe(0x7f802000);
  expect(bitsOf("BF16", 0xff81)).toBe(0xff810000);
});

it("widens every BF16 to the float32 with its bits on top", () => {
  const words = new Uint32Array(decodeWords("BF16", every16Bits).buffer);
  expect(words.every((word, bits) => word === bits * 65536)).toBe(true);
});

it.each([
  ["F32", new Float32Array([1.5, -0, Number.NaN])],
  ["F64", new Float64Array([Math.PI, 5e-324])],
  ["I64", new BigInt64Array([-1n, 2n ** 62n])],
  ["I32", new Int32Array([-1, 7])],
  ["U8", new Uint8Array([0, 255, 3])],
  ["BOOL", new Uint8Array([0, 1, 1])],
] as const)("reads %s, aligned as a view and unaligned as a copy", (dtype, expected) => {
  const bytes = new Uint8Array(expected.buffer);
  const [aligned, unaligned] = [decode(dtype, bytes), decode(dtype, bytes, 1)];
  expect(aligned.data).toEqual(expected);
  expect(unaligned.data).toEqual(expected);
  expect(aligned.data.buffer.byteLength).toBe(bytes.length);
});

it("copies unaligned bytes of a Node Buffer too, whose slice() would not", () => {
  const buffer = Buffer.alloc(9);
  buffer.writeFloatLE(2.5, 5);
  const { data } = decodeTensor({ name: "x", dtype: "F32", shape: [1], begin: 5, end: 9 }, buffer);
  expect(data).toEqual(new Float32Array([2.5]));
});

it.each(["I8", "U16", "F8_E4M3", "C64"] as const)("refuses %s by name", (dtype) => {
  const check = () => checkReadable({ name: "x", dtype, shape: [], begin: 0, end: 8 }, "a.safetensors");
  expect(check).toThrow(UnsupportedError);
  expect(check).toThrow(
    `a.safetensors: tensor "x" is ${dtype}, expected F64, F32, F16, BF16, I64, I32, U8, BOOL; save it as float32`,
  );
});
