import { open, readFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { refusedAs } from "@residual/kit/files";
import type { ShardResult } from "./job.ts";

/** A shard that is set aside, with its reason, until it is retried. */
export interface ShardFailure {
  readonly shard: number;
  readonly code: string;
  readonly message: string;
}

/** What became of a shard. The last entry of a shard counts. */
export type Entry = ShardResult | ShardFailure;

/**
 * The entries of a journal, by shard. A torn last line, as a crash leaves it, is no entry. Throws FormatError for any
 * other line that is damaged.
 */
export async function readJournal(path: string): Promise<ReadonlyMap<number, Entry>> {
  const lines = (await wholeLines(path)).split("\n").slice(0, -1);
  return new Map(
    lines.map((line, at) => entryOf(line, `${path}, line ${at + 1}`)).map((entry) => [entry.shard, entry]),
  );
}

function entryOf(line: string, where: string): Entry {
  try {
    const entry = JSON.parse(line) as Entry | null;
    if (Number.isSafeInteger(entry?.shard)) return entry!;
  } catch {} // reported below
  throw new FormatError(`${where}: it is damaged; remove the journal, and run the job again: finished shards stay`);
}

/** Appends to a journal: an entry is on the disk once `append` returns. A torn last line is cut off. */
export async function openJournal(path: string): Promise<AsyncDisposable & { append(entry: Entry): Promise<void> }> {
  const file = await refusedAs(path, open(path, "a"));
  await file.truncate(Buffer.byteLength(await wholeLines(path)));
  return {
    append: (entry) =>
      refusedAs(
        path,
        file.appendFile(`${JSON.stringify(entry)}\n`).then(() => file.datasync()),
      ),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function wholeLines(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.slice(0, text.lastIndexOf("\n") + 1);
}
