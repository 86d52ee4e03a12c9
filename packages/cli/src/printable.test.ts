import { PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { printable, printableJson, shorten, styled } from "./printable.ts";

/** A pipe, as `styleText` sees one, and a terminal with colours. */
const pipe = new PassThrough();
const terminal = Object.assign(new PassThrough(), { isTTY: true, getColorDepth: () => 8 });

/** Line by line, what no terminal may be sent of other people's text. Source: ECMA-48 (C0, C1), Unicode's UAX 9. */
const dangerous = [
  "\x00",
  "\x07",
  "\b",
  "\t",
  "\n",
  "\r",
  "\x1b[2J",
  "\x7f",
  "\x85",
  "\x9b31m",
  "\x9d0;title\x9c",
  "\u061c",
  "\u200b",
  "\u200e",
  "\u2028",
  "\u2029",
  "\u202e",
  "\u2066",
  "\ufeff",
  "\u{E0041}",
  "\u{E0000}",
  "\ud800",
];
/** Code points, first and last: C0, C1, marks and overrides of direction, invisible ones, noncharacters, tags. */
const ranges = [
  [0, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xd800, 0xdfff],
  [0xfdd0, 0xfdef],
  [0xfeff, 0xfeff],
  [0xe0000, 0xe007f],
] as const;

const unsafeIn = (line: string): readonly string[] =>
  Array.from(line).filter((char) =>
    ranges.some(([from, to]) => from <= char.codePointAt(0)! && char.codePointAt(0)! <= to),
  );

const text = fc
  .array(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...dangerous), fc.constantFrom("\uFDD0", "\uFDD1")))
  .map((parts) => parts.join(""));

describe("a line", () => {
  it.each(dangerous)("%j is shown, and not obeyed", (each) => {
    const shown = printable(`a${each}b`, pipe);
    expect(shown).toMatch(/^a\\.*b$/);
    expect(unsafeIn(shown)).toEqual([]);
  });

  it("is what it was where nothing in it is dangerous", () => {
    for (const each of ["cat", "Ærø – 猫 🐈‍⬛", "می‌خواهم", "C:\\cats\\a.png"]) expect(printable(each, pipe)).toBe(each);
  });

  it("of any text sends a pipe nothing dangerous, and a terminal our own styles alone", () => {
    fc.assert(
      fc.property(text, (each) => {
        expect(unsafeIn(printable(styled("bold", each), pipe))).toEqual([]);
        const shown = printable(styled("bold", each.replaceAll(/[\uFDD0-\uFDEF]/g, "")), terminal);
        const ours = ["\x1b[1m", "\x1b[22m", "\x1b[0m"]; // bold, its end, the end of all
        expect(unsafeIn(ours.reduce((rest, sequence) => rest.replace(sequence, ""), shown))).toEqual([]);
      }),
    );
  });

  it("is bold on a terminal, and plain in a pipe", () => {
    expect(printable(styled("bold", "x\x1b[31m"), terminal)).toBe("\x1b[1mx\\u001b[31m\x1b[22m");
    expect(printable(styled("bold", "x"), pipe)).toBe("x");
  });

  it("that is long keeps its ends", () => {
    const shown = printable(`start ${"x".repeat(100_000)} end`, pipe);
    expect(shown).toMatch(/^start x+ … \(100010 characters\) … x+ end$/);
    expect(shown.length).toBeLessThanOrEqual(1000);
  });
});

it("a short text is cut to its length", () => {
  expect(shorten("abcdefghij", 7)).toBe("abcd…ij");
  expect(shorten("abc", 3)).toBe("abc");
});

it("JSON holds the same document without a dangerous character", () => {
  fc.assert(
    fc.property(text, (each) => {
      const json = printableJson(JSON.stringify({ [each]: [each] }, undefined, 2));
      expect(unsafeIn(json.replaceAll("\n", ""))).toEqual([]);
      expect(JSON.parse(json)).toEqual({ [each]: [each] });
    }),
  );
});
