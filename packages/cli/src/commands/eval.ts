import { type Answer, type Executable, FormatError, type Preprocessing, select } from "@residual/core";
import {
  backendNames,
  bindModel,
  checkBackend,
  checkClasses,
  checkFinite,
  checkLogits,
  compileOn,
  identify,
  knownPreprocessing,
  type Prepared,
} from "@residual/pipeline";
import { stack } from "@residual/vision";
import type { Command } from "commander";
import {
  backendOption,
  type Context,
  command,
  type PreprocessingOptions,
  positive,
  prefixOption,
  preprocessingChanges,
  threadsOption,
  withPreprocessing,
} from "../command.ts";
import type { Dataset } from "../dataset/dataset.ts";
import { openDataset } from "../dataset/open.ts";
import { specNamed } from "../names.ts";
import { type Bar, complain, type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly weights?: string;
  readonly prefix?: string;
  readonly data: string;
  readonly limit?: number;
  readonly backend: string;
  readonly threads?: number;
}

/** Images of one run: enough to amortize the cost of a run, few enough for activations to stay in the cache. */
const BATCH = 32;

/** Counts correct predictions for labelled pictures. */
export function evalCommand({ signal }: Context): Command {
  const evaluate = command("eval", "count how many labelled pictures a model gets right", [
    "eval cifar_resnet20 --data test_batch.bin",
    "eval resnet50 --weights r50.safetensors --data val/ --limit 1000",
  ])
    .argument("<model>")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .addOption(prefixOption())
    .requiredOption("--data <path>", "CIFAR-10 binary files, or a folder with a folder per class")
    .option("--limit <n>", "only the first n pictures", positive)
    .addOption(backendOption())
    .addOption(threadsOption());
  return withPreprocessing(evaluate).action(async (model: string, options: Options) => {
    const bar = progressBar();
    try {
      specNamed(model);
      await checkBackend(options.backend, ["auto", ...backendNames]);
      const work = { signal, onProgress: bar.onProgress, maxPixels: options.maxPixels };
      const preprocessing = preprocessingChanges(options);
      const asked = { ...work, model, weights: options.weights, prefix: options.prefix, preprocessing };
      const identified = await identify(asked);
      await using data = await openDataset(options.data, identified);
      const prepared = await bindModel(identified, data.input);
      checkLogits(prepared.graph);
      checkClasses(prepared);
      const { threads } = options;
      const compiled = await compileOn(options.backend, select(prepared.graph, ["logits"]), {
        ...work,
        threads,
        onWarning: remarkInLines,
      });
      const { backend, description } = compiled;
      await using executable = compiled.executable;
      const limit = Math.min(options.limit ?? data.images, data.images);
      const origin = { ...prepared, preprocessing: knownPreprocessing(prepared) };
      const outcome = await rank(executable, data, origin, limit, { ...work, bar });
      bar.end();
      remark(`${model} with ${prepared.weights}, on ${backend.name} (${description.library} ${description.version})`);
      for (const note of [...prepared.notes, ...data.notes]) remark(note);
      const report = score(outcome, [...prepared.notes, ...data.notes]);
      if (report.unreadable) process.exitCode = 1;
      say(options, report, () => words(report));
    } finally {
      bar.end();
    }
  });
}

interface Report {
  /** Pictures that were read and counted. */
  readonly images: number;
  readonly correct: number;
  /** In percent, as in PyTorch's tables. */
  readonly top1: number;
  readonly top5: number;
  readonly predictions: readonly number[];
  /** How labels were assigned, if that is not obvious, and skipped files; absent if there is nothing to report. */
  readonly notes?: readonly string[];
  /** Pictures that could not be read. They are not counted in `images`. Absent if all could be read. */
  readonly unreadable?: readonly Unreadable[];
}

interface Unreadable {
  readonly image: string;
  readonly error: { readonly code: string; readonly message: string };
}

interface Outcome {
  /** The class and the five likeliest classes, best first, of each readable picture. */
  readonly ranked: readonly { readonly label: number; readonly five: readonly number[] }[];
  readonly unreadable: readonly Unreadable[];
}

interface Work extends Context {
  readonly maxPixels: number | undefined;
  readonly bar: Bar;
}

/**
 * The five likeliest classes of each picture. Throws the last picture's error if no picture could be read, and
 * WeightsError for logits that are NaN or infinite.
 */
async function rank(
  executable: Executable<"image", "logits">,
  data: Dataset,
  origin: Pick<Prepared, "model" | "weights"> & { readonly preprocessing: Preprocessing },
  limit: number,
  { signal, maxPixels, bar }: Work,
): Promise<Outcome> {
  const ranked: Outcome["ranked"][number][] = [];
  const unreadable: Unreadable[] = [];
  for (let start = 0; start < limit; start += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, limit - start) }, (_, i) => start + i);
    const read = await Promise.all(
      indices.map((index) => data.sample(index, origin.preprocessing, { signal, maxPixels })),
    );
    for (const [at, error] of read.entries()) {
      if (!(error instanceof FormatError)) continue;
      const last = ranked.length === 0 && unreadable.length === limit - 1;
      if (last) throw error;
      bar.clear();
      complain(error.code, error.message);
      unreadable.push({ image: data.nameOf(indices[at]!), error: { code: error.code, message: error.message } });
    }
    const samples = read.flatMap((sample) => (sample instanceof FormatError ? [] : [sample]));
    if (samples.length > 0) {
      const { logits } = await executable.run({ image: stack(samples.map(({ image }) => image)) }, { signal });
      checkFinite(logits, origin);
      ranked.push(...bestFive(logits).map((five, at) => ({ label: samples[at]!.label, five })));
    }
    bar.onProgress({ stage: "eval", done: start + indices.length, total: limit });
  }
  return { ranked, unreadable };
}

function bestFive({ shape, data }: Answer): readonly number[][] {
  const [rows, classes] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const logits = data.subarray(row * classes, (row + 1) * classes);
    return Array.from(logits.keys())
      .sort((a, b) => logits[b]! - logits[a]! || a - b)
      .slice(0, 5);
  });
}

function score({ ranked, unreadable }: Outcome, notes: readonly string[]): Report {
  const correct = ranked.filter(({ label, five }) => five[0] === label).length;
  const among = ranked.filter(({ label, five }) => five.includes(label)).length;
  const percent = (count: number) => Math.round((count / ranked.length) * 1e4) / 100;
  return {
    images: ranked.length,
    correct,
    top1: percent(correct),
    top5: percent(among),
    predictions: ranked.map(({ five }) => five[0]!),
    ...(notes.length > 0 && { notes }),
    ...(unreadable.length > 0 && { unreadable }),
  };
}

function words({ images, correct, top1, top5, unreadable = [] }: Report): readonly string[] {
  const aside = unreadable.length === 0 ? "" : `; ${unreadable.length} could not be read`;
  return [`${correct} of ${images} right: top-1 ${top1.toFixed(2)} %, top-5 ${top5.toFixed(2)} %${aside}`];
}
