import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "./json-reader.ts";

describe("parseJson", () => {
  const refuse = (found: string): never => {
    throw new RangeError(found);
  };

  it("reads what JSON.parse reads", () => {
    const json = fc.tuple(fc.json({ maxDepth: 8, noUnicodeString: false }), fc.constantFrom(undefined, 2));
    fc.assert(
      fc.property(json, ([text, space]) => {
        const spaced = JSON.stringify(JSON.parse(text), undefined, space);
        expect(parseJson(spaced, refuse)).toEqual(JSON.parse(spaced));
      }),
    );
  });

  it("refuses what JSON.parse refuses, with its error", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, at) => {
        const cut = text.slice(0, at % text.length);
        const problems: unknown[] = [];
        const keep = (...problem: readonly unknown[]): never => {
          problems.push(...problem);
          throw new RangeError();
        };
        let expected: unknown;
        try {
          JSON.parse(cut);
        } catch (error) {
          expected = error;
        }
        fc.pre(expected !== undefined);
        expect(() => parseJson(cut, keep)).toThrow(RangeError);
        expect(problems).toEqual(["text that is not JSON", expected]);
      }),
    );
  });

  it("counts brackets and commas outside of strings alone", () => {
    const text = JSON.stringify({ [`\\"${"[{".repeat(70)}`]: `\\"${",[".repeat(300_000)}\\` });
    expect(parseJson(text, refuse)).toEqual(JSON.parse(text));
  });

  it.each([
    ["brackets", (depth: number) => "[".repeat(depth) + "]".repeat(depth)],
    ["braces", (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`],
  ])("%s nest up to 64 deep", (_, nest) => {
    expect(parseJson(nest(64), refuse)).toEqual(JSON.parse(nest(64)));
    expect(() => parseJson(nest(65), refuse)).toThrow("JSON nested more than 64 deep");
    expect(() => parseJson(nest(5_000_000), refuse)).toThrow("JSON nested more than 64 deep");
  });

  it.each([
    ["numbers", (count: number) => `[${"0,".repeat(count - 1)}0]`],
    ["objects side by side", (count: number) => `[${"{},".repeat(count / 2 - 1)}{}]`],
  ])("holds up to 200,000 values: %s", (_, list) => {
    expect(parseJson(list(200_000), refuse)).toEqual(JSON.parse(list(200_000)));
    expect(() => parseJson(list(200_004), refuse)).toThrow("JSON of more than 200000 values");
  });
});
