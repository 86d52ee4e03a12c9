import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, float64, name, section, signed, unsigned, vector, Writer } from "./bytes.ts";

/** What the bytes stand for. Source: Core Specification 2.0, section 5.2.2. */
function decoded(bytes: readonly number[], isSigned: boolean): bigint {
  let value = 0n;
  bytes.forEach((byte, at) => {
    value |= BigInt(byte & 0x7f) << BigInt(7 * at);
  });
  return isSigned ? BigInt.asIntN(7 * bytes.length, value) : value;
}

/** All bytes but the last say that another follows. */
function isWellFormed(bytes: readonly number[]): boolean {
  return bytes.length <= 5 && bytes.every((byte, at) => byte >= 0x80 === at < bytes.length - 1);
}

describe("unsigned LEB128", () => {
  it.each([
    [0, [0x00]],
    [3, [0x03]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [624485, [0xe5, 0x8e, 0x26]], // DWARF 4 and Wikipedia's example
    [2 ** 31, [0x80, 0x80, 0x80, 0x80, 0x08]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])("of %d", (value, bytes) => expect(unsigned(value)).toEqual(bytes));

  it("is the number again, in as few bytes as there can be", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
        const bytes = unsigned(value);
        expect(decoded(bytes, false)).toBe(BigInt(value));
        expect(isWellFormed(bytes)).toBe(true);
        expect(bytes.length).toBe(Math.max(1, Math.ceil(Math.log2(value + 1) / 7)));
      }),
    );
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN, Infinity])("refuses %d", (value) => {
    expect(() => unsigned(value)).toThrow(RangeError);
  });
});

describe("signed LEB128", () => {
  it.each([
    [0, [0x00]],
    [2, [0x02]],
    [-2, [0x7e]], // these four: DWARF 4, figure 23
    [127, [0xff, 0x00]],
    [-127, [0x81, 0x7f]],
    [128, [0x80, 0x01]],
    [-128, [0x80, 0x7f]],
    [63, [0x3f]],
    [64, [0xc0, 0x00]],
    [-64, [0x40]],
    [-123456, [0xc0, 0xbb, 0x78]], // Wikipedia's example
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
    [2 ** 32 - 1, [0x7f]], // −1
  ])("of %d", (value, bytes) => expect(signed(value)).toEqual(bytes));

  it("is the i32 again", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), (value) => {
        expect(decoded(signed(value), true)).toBe(BigInt.asIntN(32, BigInt(value)));
        expect(isWellFormed(signed(value))).toBe(true);
      }),
    );
  });

  it.each([-(2 ** 31) - 1, 0.5, 2 ** 32, Number.NaN])("refuses %d", (value) => {
    expect(() => signed(value)).toThrow(RangeError);
  });
});

it("floats are little-endian", () => {
  expect(float32(1)).toEqual([0, 0, 0x80, 0x3f]);
  expect(float32(-0)).toEqual([0, 0, 0, 0x80]);
  expect(float64(1)).toEqual([0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
});

it("vectors, names and sections begin with their length", () => {
  expect(vector([[1, 2], [3]])).toEqual([2, 1, 2, 3]);
  expect(name("run")).toEqual([3, 0x72, 0x75, 0x6e]);
  expect(section(10, [7, 8])).toEqual([10, 2, 7, 8]);
  expect(
    section(
      1,
      Array.from({ length: 200 }, () => 0),
    ).slice(0, 3),
  ).toEqual([1, 0xc8, 0x01]);
});

it("a writer keeps all that was put, however much that is, and gives out copies", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 10 }), (parts) => {
      const writer = new Writer();
      for (const part of parts) writer.put(part);
      const all = parts.flatMap((part) => [...part]);
      expect(writer.length).toBe(all.length);
      writer.bytes().fill(7);
      expect([...writer.bytes()]).toEqual(all);
    }),
  );
});
