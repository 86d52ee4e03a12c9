import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Preprocessing, WorkOptions } from "@residual/core";
import { exclusively, makeFolder, refusedAs, writeAtomic } from "@residual/kit/files";
import { knownPreprocessing, OptionError, type Prepared, prepare, prepareOn } from "@residual/pipeline";
import { bestBatch } from "./best-batch.ts";
import { digestsOf } from "./digests.ts";
import { JobError } from "./errors.ts";
import { freeze } from "./inputs/freeze.ts";
import { findJob, type Job, manifestPath } from "./job.ts";
import type { Manifest } from "./manifest.ts";
import type { Format, Output } from "./row.ts";
import { graphFor } from "./shard/model.ts";

export interface JobOptions {
  /** Folders, patterns, pictures, URLs, or lists of them: .txt, .jsonl, .csv, .parquet, `-` for lines on stdin. */
  readonly input: readonly string[];
  /** The job's folder. Made if it is missing. */
  readonly out: string;
  /** Default: the model in the weights' metadata. */
  readonly model?: string | undefined;
  /** A path, a URL, or the name of known weights. Default: the weights that ship with the package. */
  readonly weights?: string | undefined;
  /** Takes only tensors whose names have this prefix. */
  readonly prefix?: string | undefined;
  /** A name for each class. Default: the weights' or the model's. */
  readonly labels?: readonly string[] | undefined;
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /** The backend's name. Default `auto`, which is decided once for the whole job. */
  readonly backend?: string | undefined;
  /** Threads of each worker. Default 1: two workers of one thread do more than one worker of two. */
  readonly threads?: number | undefined;
  /** Default predictions. */
  readonly outputs?: readonly Output[] | undefined;
  /** Classes per picture. Default 5 */
  readonly top?: number | undefined;
  /** Default parquet. */
  readonly format?: Format | undefined;
  /** Pictures per shard, 1 to 65,536. Default 512: a shard is what is lost and redone when a process ends. */
  readonly shardSize?: number | undefined;
  /** Images of a run. Default: measured once. */
  readonly batch?: number | undefined;
  /** The most pixels, width × height, of a picture. */
  readonly maxPixels?: number | undefined;
  /** Address of an S3-compatible service, for `s3://` URLs. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS. */
  readonly endpoint?: string | undefined;
  readonly signal?: WorkOptions["signal"];
  readonly onProgress?: WorkOptions["onProgress"];
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The job of these options: the one in `out`, or a new one. A new one lists its pictures once, and freezes the list.
 * Several processes may prepare the same job; the first does the work.
 *
 * Throws JobError if `out` holds a job of other options, OptionError for an invalid option, FormatError for an input
 * that cannot be read and a folder that cannot be written, AbortError, and errors of `prepare` and of the backend.
 */
export async function prepareJob(options: JobOptions): Promise<Job> {
  const out = resolve(options.out);
  await refusedAs(out, makeFolder(join(out, "inputs")));
  const prepared = await prepare(prepareOptions(options));
  const asked = await manifestFor(prepared, options);
  const work = async (): Promise<Job> => {
    const found = await findJob(out);
    if (found) return sameJob(found, asked, options);
    return makeJob(out, asked, options);
  };
  return refusedAs(out, exclusively(manifestPath(out), work, { signal: options.signal }));
}

function prepareOptions({ model, weights, prefix, labels, preprocessing, signal, onWarning }: JobOptions) {
  return { model, weights, prefix, labels, preprocessing, signal, onWarning };
}

/** The fields that options and weights decide. A job goes on only where all are equal. */
type Asked = Omit<Manifest, "version" | "backend" | "threads" | "batch" | "images" | "shards" | "digests"> & {
  readonly digests: Pick<Manifest["digests"], "model" | "weights">;
};

async function manifestFor(prepared: Prepared, options: JobOptions): Promise<Asked> {
  const { outputs = ["predictions"], top = 5, format = "parquet", shardSize = 512, endpoint, weights } = options;
  if (options.input.length === 0) throw new OptionError("give `input`: a folder, a pattern, or a list of pictures");
  graphFor(prepared, outputs); // refuses outputs that the model lacks
  return {
    model: prepared.model,
    weights: weights !== undefined && existsSync(weights) ? resolve(weights) : (weights ?? prepared.weights),
    prefix: options.prefix ?? null,
    preprocessing: knownPreprocessing(prepared),
    labels: prepared.labels ?? null,
    outputs,
    top,
    format,
    shardSize,
    maxPixels: options.maxPixels ?? null,
    endpoint: endpoint ?? (process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL || null),
    input: options.input,
    folder: process.cwd(),
    digests: await digestsOf(prepared.graph),
  };
}

/** Throws JobError that names the fields that differ. */
function sameJob(job: Job, asked: Asked, { backend, threads, batch }: JobOptions): Job {
  const chosen = { backend: backend === "auto" ? undefined : backend, threads, batch };
  const { digests, ...fields } = job.manifest;
  const differ = (found: object, wanted: object) =>
    Object.entries(wanted).flatMap(([name, value]) => {
      const there = JSON.stringify(Object.entries(found).find(([field]) => field === name)?.[1]);
      return value === undefined || there === JSON.stringify(value) ? [] : [name];
    });
  const names = [...differ(fields, { ...asked, ...chosen, digests: undefined }), ...differ(digests, asked.digests)];
  if (names.length === 0) return job;
  throw new JobError(
    `${job.out}: it holds a job with another ${[...new Set(names)].map(words).join(" and ")}; ` +
      "give another out, or the options of that job",
  );
}

/** `shardSize` -> `shard size`. */
const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

async function makeJob(out: string, asked: Asked, options: JobOptions): Promise<Job> {
  const { outputs, shardSize, preprocessing, labels, prefix } = asked;
  const chosen = await chooseRun(asked, options);
  const list = await freeze(out, { ...options, shardSize });
  const manifest: Manifest = {
    version: 1,
    ...asked,
    ...chosen,
    images: list.images,
    shards: list.shards,
    digests: {
      ...asked.digests,
      preprocessing: hash("sha256", JSON.stringify(preprocessing)),
      options: hash(
        "sha256",
        JSON.stringify([outputs, asked.top, asked.format, shardSize, labels, asked.maxPixels, prefix]),
      ),
      inputs: list.digest,
    },
  };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeAtomic([{ path: manifestPath(out), pieces: [Buffer.from(text)] }], { signal: options.signal });
  return { out, manifest };
}

/** Decides once, on this machine, what every worker does alike. */
async function chooseRun(
  { outputs, preprocessing }: Asked,
  options: JobOptions,
): Promise<Pick<Manifest, "backend" | "threads" | "batch">> {
  const { backend: given = "auto", threads = 1, batch } = options;
  const work = { ...prepareOptions(options), threads, onWarning: undefined };
  const { executable, backend } = await prepareOn(given, work, (found) => graphFor(found, outputs));
  await using _ = executable;
  return {
    backend: /[./\\]/.test(given) ? resolve(given) : backend.name,
    threads,
    batch: batch ?? (await bestBatch(executable, preprocessing.crop, options.signal)),
  };
}
