import { join } from "node:path";
import type { Manifest } from "./manifest.ts";

/** A job in its folder. */
export interface Job {
  /** Absolute path of the folder. */
  readonly out: string;
  readonly manifest: Manifest;
}

/** A picture of a frozen list. */
export interface Item {
  /** A path or URL. */
  readonly image: string;
  /** Size of the file, and its time of modification in milliseconds, when the list was made. Only for files that existed. */
  readonly bytes?: number;
  readonly modified?: number;
}

/** What became of a shard. */
export interface ShardResult {
  readonly shard: number;
  readonly rows: number;
  /** Rows with an error. */
  readonly errors: number;
  /** Of the shard's file, in hexadecimal. */
  readonly sha256: string;
  readonly ms: number;
}

const number = (shard: number): string => String(shard).padStart(5, "0");

export const inputsPath = ({ out }: Pick<Job, "out">, shard: number): string =>
  join(out, "inputs", `${number(shard)}.jsonl`);

export const shardPath = ({ out, manifest }: Job, shard: number): string =>
  join(out, `shard-${number(shard)}.${manifest.format}`);
