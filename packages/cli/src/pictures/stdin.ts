import { UsageError } from "../errors.ts";

/**
 * A picture as it is read: stdin for `-`, else the word itself, a path or a URL. Throws UsageError where stdin is a
 * terminal.
 */
export function pictureNamed(word: string): string | AsyncIterable<unknown> {
  if (word !== "-") return word;
  if (process.stdin.isTTY) throw new UsageError("- reads stdin, which is a terminal here; add < and a file");
  return process.stdin;
}
