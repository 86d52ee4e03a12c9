import { inspect, styleText } from "node:util";

/** A style of the terminal, as `util.styleText` names it. */
export type Style = keyof typeof markers;

/**
 * Styles are marked by pairs of noncharacters in the text, which Unicode reserves for internal use, until `printable`
 * turns them into escape sequences. So an escape sequence in the original text is never mistaken for a style.
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
 * Characters that move a cursor, change a terminal or the direction of text, or are invisible: controls (C0, C1),
 * formats (except the joiners that some scripts need), line and paragraph separators, lone surrogates, noncharacters,
 * and tags, assigned or not. Source: Unicode Standard Annex 44, general categories; Unicode Technical Report 36,
 * section 3.
 */
const UNSAFE = /(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\u{E0000}-\u{E00FF}]/gu;

/** The most characters of a line; Residual's tables are much narrower. */
const LONGEST = 1000;

/** One line of text, safe to print: unsafe characters as `\u001b`, a long line shortened in the middle. */
export function printable(line: string, stream: NodeJS.WritableStream): string {
  const colours = styleText("bold", "x", { stream }) !== "x";
  const shown = shorten(line, LONGEST).replace(UNSAFE, (char) => {
    const sequence = sequences.get(char);
    if (sequence === undefined) return escaped(char);
    return colours ? sequence : "";
  });
  return colours && line.length > LONGEST ? `${shown}\x1b[0m` : shown; // the middle may have held the end of a style
}

/** A text of at most `length` characters, shortened in the middle, since both ends are informative. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const note = length > 100 ? ` … (${text.length} characters) … ` : "…";
  const kept = length - note.length;
  const tail = Math.floor(kept / 3);
  return text.slice(0, kept - tail) + note + text.slice(text.length - tail);
}

const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escaped = (char: string): string => names[char] ?? unicodeEscape(char);

/** As JSON escapes: `\u001b`; two escapes beyond 16 bits. */
const unicodeEscape = (char: string): string =>
  char
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");

/** JSON whose strings have no unsafe characters; JSON.stringify escapes only C0. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE, (char) => (char === "\n" ? char : unicodeEscape(char)));
}
