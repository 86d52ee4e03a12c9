/** Texts of messages, kept short: names and shapes may come from a hostile file. */

const TEXT = 200;
const ITEMS = 10;

/** Control characters, and characters that change the direction of text: on a terminal they overwrite other text. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** A text for a message: on one line, at most `most` characters, then the number of characters left out. */
export function shortText(text: string, most = TEXT): string {
  return cut(text, most).replaceAll(UNPRINTABLE, escaped);
}

/** A whole message, shortened as by `shortText`, but with its line breaks. */
export function shortMessage(message: string, most: number): string {
  return cut(message, most).replaceAll(UNPRINTABLE, (mark) => (mark === "\n" ? mark : escaped(mark)));
}

function escaped(mark: string): string {
  return `\\u{${mark.codePointAt(0)!.toString(16)}}`;
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const start = text.slice(0, most).toWellFormed(); // the cut may fall inside a pair of surrogates
  return `${start}… (${(text.length - most).toLocaleString("en-US")} more characters)`;
}

/** A list for a message: the first ten items, each as by `shortText`, then the number of items left out. */
export function shortList(items: readonly unknown[], separator = ", "): string {
  const shown = items.slice(0, ITEMS).map((item) => shortText(String(item)));
  const more = items.length - shown.length;
  return [...shown, ...(more > 0 ? [`… and ${more.toLocaleString("en-US")} more`] : [])].join(separator);
}

/** The names, most similar first, by Levenshtein distance. Ignores case. */
export function nearestFirst(name: string, names: readonly string[]): readonly string[] {
  const distances = new Map(names.map((each) => [each, distance(name.toLowerCase(), each.toLowerCase())]));
  return names.toSorted((a, b) => distances.get(a)! - distances.get(b)!);
}

function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(changed, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above[b.length]!;
}

/**
 * A value of the wrong type, described for a message: `null`, `the number 42`, `a Promise; await it`, `an object
 * {width}`.
 */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") {
    const primitive = value as string | number | bigint | boolean | symbol;
    return `the ${typeof value} ${shortText(String(primitive), 60)}`;
  }
  try {
    if ("then" in value) return "a Promise; await it";
    if (Array.isArray(value)) return `an array of ${value.length} elements`;
    const kind = value.constructor?.name ?? "Object";
    return kind === "Object"
      ? `an object {${shortText(Object.keys(value).join(", "), 60)}}`
      : `a ${shortText(kind, 60)}`;
  } catch {
    return "an object"; // a proxy may refuse to be looked at
  }
}
