import { stripVTControlCharacters } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { complain, remark, remarkInLines } from "./terminal.ts";

afterEach(() => vi.restoreAllMocks());

function linesOf(say: () => void): readonly string[] {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  say();
  return write.mock.calls.map(([text]) => String(text)).flatMap((text) => text.trimEnd().split("\n"));
}

it("remarks in lines are broken at 80 columns between words, and not by the text of others", () => {
  const lines = linesOf(() => remarkInLines(`auto took a\nb\x1b[31m: ${"because ".repeat(30).trim()}`));
  expect(lines.length).toBe(4);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  expect(lines[0]).toMatch(/^auto took a\\nb\\u001b\[31m: because/);
});

it("other remarks stay whole in a pipe", () => {
  expect(linesOf(() => remark("because ".repeat(30).trim()))).toHaveLength(1);
});

describe("errors", () => {
  const message = `${"because ".repeat(12).trim()}:\n  ${"one ".repeat(12).trim()}\n  a\x1b[31m\nb`;

  /** The lines of an error on a terminal of this width; in a pipe where no width is given. */
  function complaint(columns?: number): readonly string[] {
    const { isTTY, columns: before } = process.stderr;
    Object.assign(process.stderr, { isTTY: columns !== undefined, columns });
    try {
      return linesOf(() => complain("FormatError", message)).map(stripVTControlCharacters);
    } finally {
      Object.assign(process.stderr, { isTTY, columns: before });
    }
  }

  it("are one line in a pipe, and one for each item of a list", () => {
    expect(complaint()).toEqual([
      `FormatError: ${"because ".repeat(12).trim()}:`,
      `  ${"one ".repeat(12).trim()}`,
      "  a\\u001b[31m\\nb",
    ]);
  });

  it("are broken between words at the width of a terminal, the items of a list indented", () => {
    const lines = complaint(44);
    expect(lines).toEqual([
      "FormatError: because because because because",
      "because because because because because",
      "because because because:",
      `  ${"one ".repeat(10).trim()}`,
      "    one one",
      "  a\\u001b[31m\\nb",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(44);
    expect(complaint(0).every((line) => line.length <= 44)).toBe(true);
  });
});
