import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FormatError } from "@residual/core";
import { readBytes } from "@residual/kit/bytes";
import { JobError } from "./errors.ts";
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
  /** Size of the file in bytes when the list was made. Absent for URLs, and for files that were missing. */
  readonly bytes?: number;
  /** When the file was last modified: milliseconds since 1970. Present with `bytes`. */
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

const numbered = (shard: number): string => String(shard).padStart(5, "0");

export const manifestPath = (out: string): string => join(out, "manifest.json");

export const inputsPath = ({ out }: Pick<Job, "out">, shard: number): string =>
  join(out, "inputs", `${numbered(shard)}.jsonl`);

export const shardPath = ({ out, manifest }: Job, shard: number): string =>
  join(out, `shard-${numbered(shard)}.${manifest.format}`);

/** The manifest's SHA-256, in hexadecimal. Two runs of the same command have one digest, whatever their folders. */
export const digestOf = ({ manifest }: Job): string => hash("sha256", JSON.stringify(manifest));

/** Whether a shard is finished: its file appears whole or not at all. */
export const isFinished = (job: Job, shard: number): boolean => existsSync(shardPath(job, shard));

/** Number of a shard's pictures. */
export const imageCount = ({ manifest: { images, shardSize } }: Job, shard: number): number =>
  Math.min(shardSize, images - shard * shardSize);

/** The job in a folder; undefined if there is none. Throws FormatError for a damaged manifest. */
export async function findJob(out: string): Promise<Job | undefined> {
  const path = manifestPath(resolve(out));
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  return { out: resolve(out), manifest: parsed<Manifest>(text, path, isWhole) };
}

/** Whether a manifest has the fields without which the job's shards cannot be told. */
function isWhole({ version, outputs, digests, ...fields }: Manifest): boolean {
  const { images, shards, shardSize, batch } = fields;
  const counts = [images, shards, shardSize, batch].every((count) => Number.isSafeInteger(count) && count > 0);
  return version === 1 && counts && Array.isArray(outputs) && typeof digests === "object";
}

/** The job in a folder. Throws JobError if there is none, FormatError for a damaged manifest. */
export async function openJob(out: string): Promise<Job> {
  const job = await findJob(out);
  if (job) return job;
  throw new JobError(`${out}: there is no manifest.json; name the folder of a job, or start one with \`bulk run\``);
}

/** The frozen list of a shard's pictures. Throws FormatError for one that is damaged or missing. */
export async function itemsOf(job: Job, shard: number): Promise<readonly Item[]> {
  const path = inputsPath(job, shard);
  const bytes = await readBytes(path, { expected: "the list of a shard's pictures" });
  const lines = Buffer.from(bytes).toString().split("\n").slice(0, -1);
  return lines.map((line) => parsed<Item>(line, path, ({ image }) => typeof image === "string"));
}

function parsed<T extends object>(text: string, path: string, fits: (value: T) => boolean): T {
  try {
    const value = JSON.parse(text) as T;
    if (fits(value)) return value;
  } catch {} // reported below
  throw new FormatError(`${path}: it is damaged, or of another version; run the job again with another \`out\``);
}
