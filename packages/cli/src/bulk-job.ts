import type { Job, JobOptions, Output as JobOutput } from "@residual/bulk";
import { BackendUnavailableError } from "@residual/core";
import { type Command, Option } from "commander";
import {
  backendOption,
  type Context,
  type PreprocessingOptions,
  positive,
  prefixOption,
  preprocessingChanges,
  withPreprocessing,
} from "./command.ts";
import { UsageError } from "./errors.ts";
import { labelsIn } from "./labels-file.ts";
import { modelCalled, oneOf } from "./names.ts";
import { type Bar, type Output, remarkInLines } from "./terminal.ts";

/** Flags that say what a bulk job is, whoever runs it. */
export interface JobFlags extends Output, PreprocessingOptions {
  readonly input: readonly string[];
  readonly out?: string;
  readonly output?: string;
  readonly model?: string;
  readonly weights?: string;
  readonly prefix?: string;
  readonly labels?: string;
  readonly backend: string;
  readonly threads?: number;
  readonly outputs: readonly JobOutput[];
  readonly top: number;
  readonly format: JobOptions["format"];
  readonly shardSize: number;
  readonly batch?: number;
  readonly endpoint?: string;
}

export function withJobFlags(command: Command): Command {
  const job = command
    .requiredOption("--input <inputs...>", "folders, patterns, URLs, lists (.txt, .jsonl, .csv, .parquet), - for stdin")
    .option("--out <folder>", "the job's folder (required)")
    .addOption(new Option("--output <folder>", "--out").hideHelp())
    .option("--model <name>", "see residual models")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .addOption(prefixOption())
    .option("--labels <file>", "names of the classes: one a line, or JSON")
    .option("--outputs <names>", "predictions, embedding, or both: predictions,embedding", outputsOf, ["predictions"])
    .option("--top <k>", "classes per picture", positive, 5)
    .addOption(new Option("--format <name>", "of the shards' files").choices(["parquet", "jsonl"]).default("parquet"))
    .option("--shard-size <n>", "pictures per file", positive, 512)
    .option("--batch <n>", "images of one run; measured where not given", positive)
    .addOption(backendOption())
    .option("--threads <n>", "threads of each worker; 1 where not given", positive)
    .option("--endpoint <url>", "an S3-compatible service for s3:// URLs; AWS_ENDPOINT_URL, or AWS, where not given");
  return withPreprocessing(job);
}

/** The job of these flags: a new one, or the one in its folder. */
export async function jobOf(
  { prepareJob }: Bulk,
  flags: JobFlags & Context & { readonly onProgress: Bar["onProgress"] },
): Promise<Job> {
  const { model, labels } = flags;
  const out = flags.out ?? flags.output;
  if (out === undefined) throw new UsageError("--out is missing; give the folder of the job");
  return prepareJob({
    ...flags,
    out,
    model: model === undefined ? undefined : modelCalled(model),
    labels: labels === undefined ? undefined : await labelsIn(labels),
    preprocessing: preprocessingChanges(flags),
    onWarning: remarkInLines,
  });
}

export type Bulk = typeof import("@residual/bulk");

export const bulkPackage = (): Promise<Bulk> => optional("@residual/bulk", () => import("@residual/bulk"));

export const searchPackage = (): Promise<typeof import("@residual/search")> =>
  optional("@residual/search", () => import("@residual/search"));

async function optional<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    const [why] = String(cause).split("\n");
    throw new BackendUnavailableError(`${name} could not be loaded (${why}); npm install ${name}`, { cause });
  }
}

function outputsOf(text: string): readonly JobOutput[] {
  return text.split(",").map((name) => oneOf(name, ["predictions", "embedding"] as const, "output"));
}
