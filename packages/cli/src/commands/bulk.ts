import type { Job, JobOptions, Output as JobOutput, JobStatus, Share } from "@residual/bulk";
import { BackendUnavailableError } from "@residual/core";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  backendOption,
  type Context,
  command,
  type PreprocessingOptions,
  positive,
  prefixOption,
  preprocessingChanges,
  withExamples,
  withPreprocessing,
} from "../command.ts";
import { UsageError } from "../errors.ts";
import { labelsIn } from "../labels-file.ts";
import { modelCalled, oneOf } from "../names.ts";
import { type Bar, bold, complain, type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";

interface RunOptions extends Output, PreprocessingOptions {
  readonly input: readonly string[];
  readonly out?: string;
  readonly output?: string;
  readonly model?: string;
  readonly weights?: string;
  readonly prefix?: string;
  readonly labels?: string;
  readonly backend: string;
  readonly threads?: number;
  readonly workers?: number;
  readonly outputs: readonly JobOutput[];
  readonly top: number;
  readonly format: JobOptions["format"];
  readonly shardSize: number;
  readonly batch?: number;
  readonly endpoint?: string;
  readonly shard?: Share;
}

/** Predictions or embeddings of many pictures. */
export function bulkCommand(context: Context): Command {
  const group = new Command("bulk").description("predictions or embeddings of many pictures, as Parquet");
  for (const each of [runCommand(context), statusCommand(), retryCommand(context)]) group.addCommand(each);
  return withExamples(group, ["bulk run --input photos/ --out out/", "bulk status out/"]);
}

function runCommand({ signal }: Context): Command {
  const run = command("run", "run a job, or go on with the one in --out", [
    "bulk run --input 'photos/**/*.jpg' --model resnet50 --weights resnet50 --out out/",
    "bulk run --input s3-urls.txt --outputs predictions,embedding --out out/ --shard 3/8",
  ])
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
    .option("--workers <n>", "processes that run the model; one per core where not given", positive)
    .option("--threads <n>", "threads of each worker; 1 where not given", positive)
    .option("--endpoint <url>", "an S3-compatible service for s3:// URLs; AWS_ENDPOINT_URL, or AWS, where not given")
    .option("--shard <i/n>", "run every n-th shard from i on, from 0; auto/n takes i of the cluster's job", shareOf);
  return withPreprocessing(run).action(async (options: RunOptions) => {
    const { model, labels } = options;
    const out = options.out ?? options.output;
    if (out === undefined) throw new UsageError("--out is missing; give the folder of the job");
    await runJobOf({ ...options, signal }, async ({ prepareJob }, onProgress) =>
      prepareJob({
        ...options,
        out,
        model: model === undefined ? undefined : modelCalled(model),
        labels: labels === undefined ? undefined : await labelsIn(labels),
        preprocessing: preprocessingChanges(options),
        signal,
        onProgress,
        onWarning: remarkInLines,
      }),
    );
  });
}

function statusCommand(): Command {
  return command("status", "how far a job is, read from its folder", ["bulk status out/"])
    .argument("<out>", "the job's folder")
    .action(async (out: string, options: Output) => {
      const { jobStatus, openJob } = await bulkPackage();
      const job = await openJob(out);
      const status = await jobStatus(job);
      say(options, { out: job.out, ...status }, () => [summary(out, status), ...status.failed.map(reason)]);
    });
}

function retryCommand({ signal }: Context): Command {
  return command("retry", "run shards again that were set aside, or whose pictures could not be fetched", [
    "bulk retry out/",
  ])
    .argument("<out>", "the job's folder")
    .option("--workers <n>", "processes that run the model; one per core where not given", positive)
    .action((out: string, options: Work) =>
      runJobOf({ ...options, signal, retry: true }, ({ openJob }) => openJob(out)),
    );
}

interface Work extends Output {
  readonly workers?: number;
  readonly shard?: Share;
  readonly retry?: boolean;
}

/** Runs a job to its end, and says how it ended. Shards that are set aside are named on stderr, with exit code 1. */
async function runJobOf(
  { workers, shard, retry, signal, ...output }: Work & Context,
  jobOf: (bulk: Bulk, onProgress: Bar["onProgress"]) => Promise<Job>,
): Promise<void> {
  const bulk = await bulkPackage();
  const bar = progressBar();
  try {
    const job = await jobOf(bulk, bar.onProgress);
    const onProgress = withRate(bar.onProgress);
    await bulk.runJob(job, { workers, share: shard, retry, signal, onProgress, onWarning: remarkInLines });
    bar.end();
    const status = await bulk.jobStatus(job);
    say(output, { out: job.out, ...status }, () => [summary(job.out, status)]);
    const { model, weights, backend, batch } = job.manifest;
    remark(`${model} with ${weights}, on ${backend}, in batches of ${batch}`);
    for (const { code, message } of status.failed) complain(code, message);
    if (status.failed.length > 0) process.exitCode = 1;
  } finally {
    bar.end();
  }
}

/** Names the stage by its speed: `42.1 pictures/s`. */
function withRate(onProgress: Bar["onProgress"]): Bar["onProgress"] {
  const begin = performance.now();
  let first: number | undefined;
  return ({ done, total }) => {
    first ??= done; // what earlier runs did took no time of this one
    const rate = ((done - first) * 1000) / (performance.now() - begin);
    onProgress({ stage: `${rate.toFixed(1)} pictures/s`, done, total });
  };
}

function summary(out: string, { images, done, shards, errors, failed }: JobStatus): string {
  const bad = errors > 0 ? `, ${errors} with an error` : "";
  const aside = failed.length > 0 ? `, ${failed.length} set aside` : "";
  return `${bold(out)}  ${done.images} of ${images} pictures${bad}, in ${done.shards} of ${shards} shards${aside}`;
}

const reason = ({ shard, code, message }: JobStatus["failed"][number]) => `  shard ${shard}  ${code}: ${message}`;

type Bulk = typeof import("@residual/bulk");

async function bulkPackage(): Promise<Bulk> {
  try {
    return await import("@residual/bulk");
  } catch (cause) {
    const [why] = String(cause).split("\n");
    throw new BackendUnavailableError(`@residual/bulk could not be loaded (${why}); npm install @residual/bulk`, {
      cause,
    });
  }
}

function outputsOf(text: string): readonly JobOutput[] {
  return text.split(",").map((name) => oneOf(name, ["predictions", "embedding"] as const, "output"));
}

/** `3/8`; of `auto/8` the index comes from the environment that Kubernetes or Slurm sets. */
function shareOf(text: string): Share {
  const [, index, count] = /^(\d+|auto)\/(\d+)$/.exec(text) ?? [];
  const { JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID } = process.env;
  const given = index === "auto" ? (JOB_COMPLETION_INDEX ?? SLURM_ARRAY_TASK_ID) : index;
  if (count !== undefined && given !== undefined && Number(given) < Number(count))
    return { index: Number(given), count: Number(count) };
  throw new InvalidArgumentError(
    index === "auto" && given === undefined
      ? "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set"
      : "expected i/n with i from 0 to n − 1, or auto/n",
  );
}
