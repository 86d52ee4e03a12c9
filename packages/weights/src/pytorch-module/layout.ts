/** The longest line, which Python's formatters have by default. */
const WIDTH = 88;
const STEP = "    ";

/** Text of Python: as it is, or a call that may be broken over lines. */
export type Text = string | Call;

export interface Call {
  readonly head: string;
  readonly items: readonly Text[];
}

/** A statement's lines, broken as black and ruff break them. They will be indented by `depth` steps. */
export function linesOf(before: string, text: Text, after: string, depth: number): readonly string[] {
  const flat = `${before}${flatOf(text)}${after}`;
  const fits = (line: string, steps: number) => steps * STEP.length + line.length <= WIDTH;
  if (typeof text === "string" || fits(flat, depth)) return [flat];
  const body = text.items.map(flatOf).join(", ");
  const items = fits(body, depth + 1) ? [body] : text.items.flatMap((item) => linesOf("", item, ",", depth + 1));
  return [`${before}${text.head}(`, ...indented(items), `)${after}`];
}

export function flatOf(text: Text): string {
  return typeof text === "string" ? text : `${text.head}(${text.items.map(flatOf).join(", ")})`;
}

export function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === "" ? line : STEP + line));
}
