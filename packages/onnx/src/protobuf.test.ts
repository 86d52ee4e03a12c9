import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FormatError } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytes, concatenate, type Encoded, fieldsOf, float, int, join, message, piecesOf, text } from "./protobuf.ts";

const reader = (encoded: Encoded) => new BinaryReader(concatenate(encoded));
const field = fc.integer({ min: 1, max: 2 ** 29 - 1 });

describe("writing, as @bufbuild/protobuf reads it", () => {
  it("whole numbers of 64 bits, negative ones too", () => {
    fc.assert(
      fc.property(field, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (number, value) => {
        const read = reader(int(number, value));
        expect(read.tag()).toEqual([number, WireType.Varint]);
        expect(BigInt(read.int64())).toBe(value);
        expect(read.pos).toBe(read.len);
      }),
    );
    expect(concatenate(int(1, -1))).toHaveLength(11);
  });

  it("texts, bytes and floats", () => {
    fc.assert(
      fc.property(
        field,
        fc.string({ unit: "binary" }),
        fc.uint8Array(),
        fc.float({ noNaN: true }),
        (number, string, raw, real) => {
          const read = reader(join(text(number, string), bytes(number, raw), float(number, real)));
          expect([read.tag(), read.string()]).toEqual([[number, WireType.LengthDelimited], string]);
          expect([read.tag(), read.bytes()]).toEqual([[number, WireType.LengthDelimited], raw]);
          expect([read.tag(), read.float()]).toEqual([[number, WireType.Bit32], real]);
        },
      ),
    );
  });

  it("nested messages", () => {
    const read = reader(message(7, text(1, "a"), message(2, int(1, 5))));
    expect([read.tag(), read.uint32()]).toEqual([[7, WireType.LengthDelimited], 7]);
    expect([read.tag(), read.string()]).toEqual([[1, WireType.LengthDelimited], "a"]);
    expect([read.tag(), read.uint32(), read.tag(), read.uint32()]).toEqual([[2, 2], 2, [1, 0], 5]);
  });

  it("large bytes by reference", () => {
    const weights = new Uint8Array(10_000);
    const encoded = message(1, text(2, "name"), bytes(3, weights));
    const pieces = piecesOf(encoded);
    expect(pieces.some((piece) => piece === weights)).toBe(true);
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(concatenate(encoded)));
    expect(encoded.length).toBe(concatenate(encoded).length);
  });
});

describe("reading", () => {
  it("gives back what was written", () => {
    const written = concatenate(join(int(1, -2), text(2, "a"), float(3, 1)));
    const found = [...fieldsOf(written)];
    expect(found.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(found[0]!.value).toBe(2n ** 64n - 2n);
    expect(found[1]!.value).toEqual(Uint8Array.of(97));
  });

  it("throws nothing but FormatError on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (garbage) => {
        try {
          for (const { value } of fieldsOf(garbage))
            expect(typeof value === "bigint" || value.length <= garbage.length).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses lengths beyond the end, numbers without one, and groups", () => {
    expect(() => [...fieldsOf(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f))]).toThrow(
      "34359738367 bytes announced",
    );
    expect(() => [...fieldsOf(new Uint8Array(20).fill(0xff))]).toThrow("no end");
    expect(() => [...fieldsOf(Uint8Array.of(0x0b))]).toThrow("wire type 3");
  });
});
