import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, ResidualError, ShapeError, UnsupportedError } from "./errors.ts";
import { shortList, shortText } from "./messages.ts";
import { formatShape } from "./value.ts";

describe("shortText", () => {
  it("leaves a short text, and counts what it cuts off", () => {
    expect(shortText("conv1.weight")).toBe("conv1.weight");
    expect(shortText("a".repeat(1203))).toBe(`${"a".repeat(200)}… (1,003 more characters)`);
    expect(shortText("abcdef", 3)).toBe("abc… (3 more characters)");
  });

  it("shows no control character, line end or mark of direction as it is", () => {
    expect(shortText("a\x1b[31m\n\u202eb\u0085")).toBe("a\\u{1b}[31m\\u{a}\\u{202e}b\\u{85}");
  });

  it("does not cut a character in two", () => {
    expect(shortText("ab🐱", 3)).not.toMatch(/\p{Surrogate}/u);
  });
});

describe("shortList", () => {
  it("shows ten, and counts the others", () => {
    expect(shortList([])).toBe("");
    expect(shortList(["a", 2])).toBe("a, 2");
    const many = Array.from({ length: 2010 }, (_, i) => i);
    expect(shortList(many)).toBe("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … and 2,000 more");
    expect(shortList(many, "\n")).toMatch(/^0\n1\n.*\n9\n… and 2,000 more$/s);
  });

  it("is short whatever the items are", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 2000 }), { maxLength: 40 }), (items) => {
        expect(shortList(items).length).toBeLessThan(10 * 240 + 40);
      }),
    );
  });
});

it("a shape of millions of axes is a short text", () => {
  expect(formatShape(["N", 3, 224, 224])).toBe("N×3×224×224");
  expect(formatShape(Array.from({ length: 2_000_000 }, () => 1))).toBe("1×1×1×1×1×1×1×1×1×1×… and 1,999,990 more");
});

describe("errors", () => {
  it("are called by their code, which no minifier changes", () => {
    const h = class extends ResidualError {
      readonly code = "OwnError";
    };
    const u = class extends UnsupportedError {};
    for (const [error, name] of [
      [new h("why"), "OwnError"],
      [new u("why"), "UnsupportedError"],
    ] as const) {
      expect(error.name).toBe(name);
      expect(error.code).toBe(name);
      expect(String(error)).toMatch(new RegExp(`^${name}: .*why$`));
    }
  });

  it("of a broken rule end with its label, however long the message is", () => {
    expect(String(new ShapeError("topK.K2", "k is 0"))).toBe("ShapeError: k is 0 (topK.K2)");
    const { message, label } = new ShapeError("select.S1", "y".repeat(5_000_000));
    expect(message).toMatch(/^y+… \(4,996,000 more characters\) \(select\.S1\)$/);
    expect(label).toBe("select.S1");
  });

  it("keep the lines of a message, and no other control character", () => {
    expect(new FormatError("2 problems:\n  \x1b]0;x\x07").message).toBe("2 problems:\n  \\u{1b}]0;x\\u{7}");
  });

  it("have short messages, whatever a file put into them", () => {
    const error = new FormatError(`model.onnx: no tensor named ${"x".repeat(5_000_000)}`);
    expect(error.message.length).toBeLessThan(5000);
    expect(error.message).toMatch(/^model\.onnx: no tensor named x+… \(\d.* more characters\)$/);
    expect(new ShapeError("select.S1", "y".repeat(5_000_000)).message.length).toBeLessThan(5000);
  });
});
