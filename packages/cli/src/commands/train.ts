import { existsSync } from "node:fs";
import { rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { AbortError, modelNameOf } from "@residual/core";
import { checkPlace, makeFolder } from "@residual/kit/files";
import { backendNames, checkBackend, chooseBackend } from "@residual/pipeline";
import type { EpochRecord, Fitted, Split } from "@residual/training";
import { shippedWeights } from "@residual/weights";
import type { Command } from "commander";
import {
  backendOption,
  type Context,
  command,
  positive,
  preprocessingChanges,
  threadsOption,
  withPreprocessing,
} from "../command.ts";
import { UsageError } from "../errors.ts";
import { modelCalled } from "../names.ts";
import { checkNamed } from "../out-path.ts";
import { bold, type Output, remark, remarkInLines, say } from "../terminal.ts";
import { factsOf, type TrainingFlags, trainingOptions, withTrainingFlags } from "../training-options.ts";
import { percent, type TrainingView, trainingView } from "../training-view.ts";

interface Options extends Output, TrainingFlags {
  readonly model: string;
  readonly weights?: string;
  readonly out: string;
  readonly backend: string;
  readonly threads?: number;
  readonly checkpointEvery: number;
}

/** Options that do not change what a run computes, or how its pictures are read. */
const passed = ["out", "backend", "threads", "checkpointEvery", "json", "color", "maxPixels"];

/** Imported on use: no other command needs it. */
const trainingPackage = () => import("@residual/training");

/** Trains a network on labelled pictures, or goes on with the run in the folder. */
export function trainCommand({ signal }: Context): Command {
  const train = command("train", "train a network on labelled pictures, or go on with the run in --out", [
    "train photos/ --model resnet50 --weights resnet50 --out run/",
    "train cifar-10/ --model cifar_resnet20 --weights none --epochs 100",
  ])
    .argument("<data>", "a folder with a folder per class (in train and val, if there are), or CIFAR-10 binary files")
    .requiredOption("--model <name>", "see residual models")
    .option("--weights <w>", "a file or known weights to begin with; none: random ones")
    .option("--out <folder>", "gets best.safetensors, last/, report.html and log.jsonl", "run")
    .option("--checkpoint-every <seconds>", "seconds between checkpoints, which epochs end with too", positive, 30)
    .addOption(backendOption())
    .addOption(threadsOption());
  return withPreprocessing(withTrainingFlags(train)).action(async (path: string, options: Options) => {
    const weights = weightsOf(options);
    await checkBackend(options.backend, ["auto", ...backendNames]);
    const view = trainingView();
    try {
      await trainOn(path, weights, { ...options, view, signal });
    } finally {
      view.end();
    }
  });
}

async function trainOn(
  path: string,
  weights: string | undefined,
  { view, signal, ...options }: Options & Context & { readonly view: TrainingView },
): Promise<void> {
  const training = await trainingPackage();
  const { train, heldOut }: Split = await training.openData(path, { share: options.heldOut, seed: options.seed });
  const isNew = !existsSync(options.out);
  await checkOut(options.out);
  const { backend, description, reason } = await chooseBackend(options.backend, {
    threads: options.threads,
    onWarning: remarkInLines,
  });
  const model = modelCalled(options.model);
  const from = weights ?? "random weights";
  const own = trainingOptions(options, training, weights !== undefined);
  const last = new LastWords(options.out);
  try {
    const fitted = await training.trainInFolder({
      ...own,
      model,
      weights,
      train,
      heldOut,
      backend,
      preprocessing: preprocessingChanges(options),
      maxPixels: options.maxPixels,
      checkpointEvery: { seconds: options.checkpointEvery },
      out: options.out,
      facts: { "--model": model, "--weights": weights ?? "none", ...factsOf(options, [...passed, "model", "weights"]) },
      report: {
        title: `${model} from ${from}`,
        facts: [
          ["data", path],
          ["pictures", `${train.examples.length} to train on, ${heldOut.examples.length} held out`],
          ["backend", `${backend.name} (${description.library} ${description.version}, ${description.device})`],
          ["command", commandLine()],
        ],
      },
      signal,
      onEvent(event) {
        last.add(event);
        view.onEvent(event);
      },
      onProgress: view.onProgress,
      onWarning: view.onWarning,
    });
    view.end();
    const report = reportOf(fitted, { model, weights: weights ?? "none", out: options.out, backend: backend.name });
    remark(`${model} from ${from}, on ${backend.name} (${description.library} ${description.version})`);
    if (options.backend === "auto") remarkInLines(`auto took ${backend.name}: ${reason}`);
    say(options, report, () => words(report));
  } catch (error) {
    view.end();
    if (error instanceof AbortError) last.say();
    if (isNew) await rmdir(options.out).catch(() => {}); // unless something is in it
    throw error;
  }
}

/** The command that goes on with the run. */
function commandLine(): string {
  const words = process.argv.slice(2).filter((word) => word !== "--json" && word !== "--no-color");
  return ["residual", ...words.map((word) => (/^[\w./:=+,-]+$/.test(word) ? word : JSON.stringify(word)))].join(" ");
}

/** What there is after a run that was stopped, and how it goes on. */
class LastWords {
  readonly #out: string;
  #saved: number | undefined;
  #best: EpochRecord | undefined;

  constructor(out: string) {
    this.#out = out;
  }

  add(event: Parameters<TrainingView["onEvent"]>[0]): void {
    if (event.kind === "part" && event.name === "features") this.#saved = undefined;
    if (event.kind === "part") this.#best = undefined;
    if (event.kind === "start" && event.done > 0) this.#saved = event.done;
    if (event.kind === "checkpoint") this.#saved = event.step;
    if (event.kind === "epoch" && event.isBest) this.#best = event;
  }

  say(): void {
    const saved = this.#saved === undefined ? "no step is saved yet" : `saved after step ${this.#saved}`;
    const best = this.#best;
    const kept = best ? `; best so far: epoch ${best.epoch}, ${percent(best.accuracy)} of the held-out pictures` : "";
    remark(`${saved}${kept}; the same command goes on from ${this.#out}`);
  }
}

/** `none` is undefined. Throws UsageError where it has to be said what training begins with. */
function weightsOf({ model, weights }: Options): string | undefined {
  if (weights !== undefined) return weights === "none" ? undefined : weights;
  if (modelNameOf(modelCalled(model)) === shippedWeights.model) return shippedWeights.name;
  throw new UsageError(
    `no weights ship for ${model}; give --weights a file or a name (residual weights list ${model}) to begin with, ` +
      "or --weights none to begin with random ones",
  );
}

/** Checked before work is done: whether the folder can be written. */
async function checkOut(out: string): Promise<void> {
  checkNamed(out, "--out");
  const found = await stat(out).catch(() => undefined);
  if (found && !found.isDirectory()) throw new UsageError(`--out ${out} is a file; give a folder`);
  await makeFolder(out);
  await checkPlace(join(out, "report.html"));
}

interface Report extends Pick<Fitted, "best" | "history" | "unreadable"> {
  readonly out: string;
  readonly model: string;
  readonly weights: string;
  readonly backend: string;
  readonly labels: readonly string[];
  readonly scores: Fitted["scores"];
}

function reportOf(
  { best, history, unreadable, scores, weights: { labels = [] } }: Fitted,
  about: Pick<Report, "out" | "model" | "weights" | "backend">,
): Report {
  return { best, ...about, labels, scores, history, unreadable };
}

function words({ best, out, scores, unreadable }: Report): readonly string[] {
  const right = scores.confusion.reduce((sum, row, label) => sum + row[label]!, 0);
  const when = best.epoch === 0 ? "the last layer alone was best" : `best after epoch ${best.epoch}`;
  const aside = unreadable.length === 0 ? "" : `; ${unreadable.length} pictures could not be read`;
  return [
    `${right} of ${scores.images} held-out pictures right (${percent(best.accuracy)}), ${when}${aside}`,
    `${bold(join(out, "best.safetensors"))}  the best weights, with labels and preprocessing`,
    `${bold(join(out, "report.html"))}  curves, confusion, mistakes`,
  ];
}
