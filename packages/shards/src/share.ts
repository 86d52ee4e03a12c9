import { join } from "node:path";
import { OptionError } from "@residual/pipeline";
import type { Job } from "./job.ts";

/** The part of a job for one of several machines: every `count`-th shard, from `index` on. */
export interface Share {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

/** The share of one machine that runs all shards. */
export const wholeJob: Share = { index: 0, count: 1 };

/** The shards of a share, in order. */
export function* shardsOf({ manifest: { shards } }: Job, { index, count }: Share): Generator<number> {
  for (let shard = index; shard < shards; shard += count) yield shard;
}

/** The path of a share's journal. Throws OptionError for a share that does not exist. */
export function journalPath({ out }: Job, { index, count }: Share = wholeJob): string {
  if (!(Number.isInteger(index) && Number.isInteger(count) && 0 <= index && index < count))
    throw new OptionError(`share ${index}/${count}: expected i/n with i from 0 to n − 1`);
  return join(out, count === 1 ? "journal.jsonl" : `journal-${index}-of-${count}.jsonl`);
}
