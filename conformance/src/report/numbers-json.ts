/** Numbers that JSON cannot represent, as text. */
const named: { readonly [text: string]: number } = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity };

/** The fields of reports that may hold NaN or an infinity. */
const fields = new Set(["share", "expected", "found", "bound"]);

/** JSON with NaN and infinities as text. JSON.stringify alone writes null for these numbers. */
export function stringify(value: unknown, space?: number): string {
  return JSON.stringify(value, (_, each: unknown) => (isOdd(each) ? String(each) : each), space);
}

/** Converts back to numbers. Throws SyntaxError for invalid JSON. */
export function parse(text: string): unknown {
  return JSON.parse(text, (key, each: unknown) =>
    fields.has(key) && typeof each === "string" ? (named[each] ?? each) : each,
  );
}

const isOdd = (value: unknown): value is number => typeof value === "number" && !Number.isFinite(value);
