import { inspect, styleText } from "node:util";

/** A style of the terminal, as `util.styleText` names it. */
export type Style = keyof typeof markers;

/**
 * A style is a pair of noncharacters in the text, which Unicode reserves for a program's own use, until `printable`
 * makes escape sequences of them. So a sequence that was in the text before is never one of ours.
 */
const markers = {
  bold: ["\uFDD0", "\uFDD1"],
  dim: ["\uFDD2", "\uFDD3"],
  green: ["\uFDD4", "\uFDD5"],
  red: ["\uFDD6", "\uFDD7"],
  cyan: ["\uFDD8", "\uFDD9"],
} as const;

const sequences: ReadonlyMap<string, string> = new Map(
  Object.entries(markers).flatMap(([name, [open, close]]) => {
    const [on, off] = inspect.colors[name]!;
    return [
      [open, `\x1b[${on}m`],
      [close, `\x1b[${off}m`],
    ] as const;
  }),
);

export function styled(style: Style, text: string): string {
  const [open, close] = markers[style];
  return `${open}${text}${close}`;
}

/**
 * What moves a cursor, changes a terminal, turns the direction of writing or is not seen at all: controls (C0, C1),
 * formats but for the joiners that some scripts spell with, line and paragraph separators, lone surrogates,
 * noncharacters, and tags, unassigned ones too, which nothing shows. Source: Unicode Standard Annex 44, general
 * categories; Unicode Technical Report 36, section 3.
 */
const UNSAFE = /(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\u{E0000}-\u{E00FF}]/gu;

/** Characters of a line that are shown; no table of ours is nearly as wide. */
const LONGEST = 1000;

/** One line of text as a stream may show it: unsafe characters as `\u001b`, a long line without its middle. */
export function printable(line: string, stream: NodeJS.WritableStream): string {
  const colours = styleText("bold", "x", { stream }) !== "x";
  const shown = shorten(line, LONGEST).replace(UNSAFE, (char) => {
    const sequence = sequences.get(char);
    if (sequence === undefined) return escaped(char);
    return colours ? sequence : "";
  });
  return colours && line.length > LONGEST ? `${shown}\x1b[0m` : shown; // its middle may have held the end of a style
}

/** A text of at most `length` characters: the middle of a longer one is left out, since both ends tell something. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const note = length > 100 ? ` … (${text.length} characters) … ` : "…";
  const kept = length - note.length;
  const tail = Math.floor(kept / 3);
  return text.slice(0, kept - tail) + note + text.slice(text.length - tail);
}

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escaped = (char: string): string => names[char] ?? unicodeEscape(char);

/** As JSON escapes: `\u001b`, two of them for what lies beyond 16 bits. */
const unicodeEscape = (char: string): string =>
  char
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

/** JSON whose strings show no unsafe character either; JSON.stringify escapes C0 alone. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, (char) => (char === "\n" ? char : unicodeEscape(char)));
}
