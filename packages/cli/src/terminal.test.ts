import { afterEach, expect, it, vi } from "vitest";
import { remark, remarkInLines } from "./terminal.ts";

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
