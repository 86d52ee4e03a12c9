import { join, relative, resolve, sep } from "node:path";
import { BackendUnavailableError, ResidualError } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import type { Example } from "../data/dataset.ts";
import { type FineTuneOptions, fineTuneOn, type HeadOptions } from "../fine-tune/fine-tune.ts";
import type { TrainingEvent } from "../fit/events.ts";
import { type FitPlatform, type Fitted, fitOn } from "../fit/fit.ts";
import type { FitOptions } from "../fit/options.ts";
import { type EpochRecord, isBetter } from "../fit/state.ts";
import type { Judged } from "../metrics/judged.ts";
import type { Picture } from "../report/pictures.ts";
import { thumbnailOf } from "../report/thumbnail.ts";
import { picturesOfReport, type ReportData, trainingReport } from "../report/training-report.ts";
import { headEpochsIn, TrainingLog } from "./log.ts";

export interface FolderOptions extends FitOptions {
  /** Gets best.safetensors, the folder last, log.jsonl and report.html. */
  readonly out: string;
  /** How the last layer is trained before the whole network, which begins with given weights. */
  readonly head?: HeadOptions | undefined;
  /** Heading of the report, and names and values below it. */
  readonly report: Pick<ReportData, "title" | "facts">;
}

/** Seconds between two reports of a run that is under way. */
const REPORT_EVERY = 60;

/**
 * Trains by `fineTune` if there are weights to begin with, else by `fit`, with a log and a report in the folder. The
 * log has a JSON line for each step and epoch. The report is written at the end, also where the run is stopped or
 * fails, and in between once there is a new best epoch. Throws as `fit` does.
 */
export async function trainInFolder(platform: FitPlatform, options: FolderOptions): Promise<Fitted> {
  const { out, onEvent, weights } = options;
  const log = new TrainingLog(join(out, "log.jsonl"));
  const report = new ReportFile(options);
  const told = new Set<string>();
  const run = {
    ...options,
    onWarning(message: string) {
      if (!told.has(message)) options.onWarning?.(message); // both parts of fine-tuning have the same notes
      told.add(message);
    },
    onEvent(event: TrainingEvent) {
      log.add(event);
      report.add(event);
      onEvent?.(event);
    },
  };
  try {
    const fitted = await (weights === undefined ? fitOn(platform, run) : fineTuneOn(platform, run as FineTuneOptions));
    await report.write(fitted);
    return fitted;
  } catch (error) {
    await report.writeLast().catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

type Known = Pick<ReportData, "history" | "best" | "judged" | "unreadable">;

/** The report of a run, as far as it is known. */
class ReportFile {
  readonly #options: FolderOptions;
  readonly #pictures = new Map<number, Picture>();
  #history: readonly EpochRecord[] = [];
  #best: { readonly record: EpochRecord; readonly judged: readonly Judged[] | undefined } | undefined;
  #isHead = false;
  #written = performance.now();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: FolderOptions) {
    this.#options = options;
  }

  add(event: TrainingEvent): void {
    if (event.kind === "part") this.#isHead = event.name !== "network";
    if (this.#isHead) return; // it takes seconds
    if (event.kind === "start") {
      this.#history = event.history;
      for (const record of event.history) this.#keep(record, undefined);
    }
    if (event.kind !== "epoch") return;
    const { kind: _, isBest: __, judged, ...record } = event;
    this.#history = [...this.#history, record];
    if (!this.#keep(record, judged) || performance.now() - this.#written < 1000 * REPORT_EVERY) return;
    this.#written = performance.now();
    this.#writing = this.#writeKnown().catch(() => {}); // the report at the end fails too, and says so
  }

  /** Whether it is the best epoch so far. */
  #keep(record: EpochRecord, judged: readonly Judged[] | undefined): boolean {
    const isBest = isBetter(record, this.#best?.record, this.#options.bestBy);
    if (isBest) this.#best = { record, judged };
    return isBest;
  }

  /** Writes what is known. The report of an earlier run stays if this one has judged nothing better. */
  async writeLast(): Promise<void> {
    await this.#writing;
    await this.#writeKnown();
  }

  async #writeKnown(): Promise<void> {
    const { record, judged } = this.#best ?? {};
    if (record && judged) await this.#write({ history: this.#history, best: record, judged, unreadable: [] });
  }

  async write(fitted: Fitted): Promise<void> {
    await this.#writing;
    const headHistory = headEpochsIn(join(this.#options.out, "log.jsonl"));
    const isHeadAlone = headHistory.length > 0 && this.#options.epochs === 0;
    await this.#write({ ...fitted, history: isHeadAlone ? [] : fitted.history });
  }

  async #write({ history, best, judged, unreadable }: Known): Promise<void> {
    const { out, report, heldOut } = this.#options;
    await this.#addPictures(picturesOfReport(judged));
    const page = trainingReport({
      ...report,
      labels: heldOut.labels,
      headHistory: headEpochsIn(join(out, "log.jsonl")),
      history,
      best,
      judged,
      examples: heldOut.examples,
      pictures: this.#pictures,
      unreadable,
    });
    await writeAtomic([{ path: join(out, "report.html"), pieces: [new TextEncoder().encode(page)] }]);
  }

  /** Pictures are made small once. Without sharp, which encodes them, the report has their names. */
  async #addPictures(indices: readonly number[]): Promise<void> {
    for (const index of indices) {
      if (this.#pictures.has(index)) continue;
      const example = this.#options.heldOut.examples[index]!;
      const link = linkTo(example, this.#options.out);
      try {
        this.#pictures.set(index, { thumbnail: await thumbnailOf(example), link });
      } catch (error) {
        if (!(error instanceof ResidualError)) throw error;
        if (error instanceof BackendUnavailableError) this.#options.onWarning?.(`report.html: ${error.message}`);
        this.#pictures.set(index, { thumbnail: undefined, link });
        if (error instanceof BackendUnavailableError) break;
      }
    }
  }
}

/** The address of a picture's file from a page in the folder; undefined without a file. */
function linkTo({ picture }: Example, folder: string): string | undefined {
  if (!("path" in picture)) return undefined;
  const path = relative(resolve(folder), resolve(picture.path));
  return path.split(sep).map(encodeURIComponent).join("/");
}
