import { FormatError } from "@residual/core";
import { UsageError } from "../errors.ts";

/** The source of a picture: stdin for `-`, else the path or URL itself. Throws UsageError if stdin is a terminal. */
export function pictureNamed(word: string): string | AsyncIterable<unknown> {
  if (word !== "-") return word;
  if (process.stdin.isTTY) throw new UsageError("- reads stdin, which is a terminal here; add < and a file");
  return stdin;
}

/** With a name for messages. */
const stdin = {
  name: "stdin",
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    let isEmpty = true;
    for await (const chunk of process.stdin) {
      isEmpty = false;
      yield chunk;
    }
    if (isEmpty) throw new FormatError("stdin is empty, expected a picture; add < and a file, or pipe one in");
  },
  destroy: () => process.stdin.destroy(),
};
