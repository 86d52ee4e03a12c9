import { readWeights, type Weights } from "@residual/weights";
import type { BatchMaker } from "../batches/batch-maker.ts";
import type { Judged } from "../metrics/judged.ts";
import { type Scores, scores } from "../metrics/metrics.ts";
import { train } from "./loop.ts";
import type { FitOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { Run } from "./run.ts";
import type { EpochRecord } from "./state.ts";
import { memoryStore, type Store } from "./store.ts";

/** What a run has made. */
export interface Fitted {
  readonly best: EpochRecord;
  readonly history: readonly EpochRecord[];
  /** The weights of the best epoch, with labels and preprocessing: `load({ weights })` needs nothing else. */
  readonly weights: Weights;
  /** Of the best weights, on the held-out pictures. */
  readonly scores: Scores;
  /** Each held-out picture. */
  readonly judged: readonly Judged[];
  /** Names of pictures that could not be read. */
  readonly unreadable: readonly string[];
}

/** The parts of `fit` that depend on the platform. */
export interface FitPlatform {
  makerOf(threads: number | undefined): BatchMaker;
  storeOf(folder: string): Store;
}

/**
 * Trains a network on labelled pictures, and judges it by others after each epoch. With `out`, a run that was ended at
 * any moment goes on where its last checkpoint is, to the same bits.
 *
 * Throws OptionError for options that do not fit the data or the checkpoint, NonFiniteError if the loss is no longer a
 * finite number, FormatError for a damaged checkpoint or if no picture of a batch can be read, errors of the backend,
 * and AbortError, after a checkpoint was written.
 */
export async function fitOn(platform: FitPlatform, options: FitOptions): Promise<Fitted> {
  const { out, threads, onWarning } = options;
  const store = typeof out === "string" ? platform.storeOf(out) : (out ?? memoryStore());
  const plan = await prepare(options);
  for (const note of [...options.train.notes, ...options.heldOut.notes]) onWarning?.(note);
  const isSmall = !plan.network.preprocessing; // numbers cost less to copy than to send
  const maker = platform.makerOf(threads ?? (isSmall ? 0 : undefined));
  try {
    await using run = await Run.begin(plan, options, store, maker);
    const isNew = plan.course.countTo(run.state) === 0;
    if (isNew) for (const note of plan.network.notes) onWarning?.(note);
    await train(run);
    const { best, history, unreadable } = run.state;
    const weights = await readWeights((await store.load("best"))!);
    const judged = await run.judgedByBest(weights);
    return { best: best!, history, weights, judged, unreadable, scores: scores(judged, options.train.labels.length) };
  } finally {
    await maker.close();
  }
}
