import { type Answer, type Executable, type Preprocessing, select } from "@residual/core";
import { bindModel, checkLogits, chooseBackend, identify, knownPreprocessing } from "@residual/pipeline";
import { stack } from "@residual/vision";
import type { Command } from "commander";
import {
  backendOption,
  type Context,
  command,
  type PreprocessingOptions,
  positive,
  preprocessingChanges,
  threadsOption,
  withPreprocessing,
} from "../command.ts";
import { type Dataset, openDataset } from "../dataset.ts";
import { specNamed } from "../names.ts";
import { type Output, progressBar, remark, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly weights?: string;
  readonly data: string;
  readonly limit?: number;
  readonly backend: string;
  readonly threads?: number;
}

/** Images of one run: enough to amortize a run's overhead, few enough to keep activations in the cache. */
const BATCH = 32;

/** How many of a set of labelled pictures a model gets right. */
export function evalCommand({ signal }: Context): Command {
  const evaluate = command("eval", "count how many labelled pictures a model gets right")
    .argument("<model>")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .requiredOption("--data <path>", "CIFAR-10 binary files, or a folder with a folder per class")
    .option("--limit <n>", "only the first n pictures", positive)
    .addOption(backendOption())
    .addOption(threadsOption());
  return withPreprocessing(evaluate).action(async (model: string, options: Options) => {
    const bar = progressBar();
    try {
      specNamed(model);
      const { backend, description } = await chooseBackend(options.backend, { ...options, onWarning: remark });
      const work = { signal, onProgress: bar.onProgress, maxPixels: options.maxPixels };
      const preprocessing = preprocessingChanges(options);
      const asked = { ...work, model, weights: options.weights, preprocessing };
      const identified = await identify(asked);
      const data = await openDataset(options.data, identified);
      const prepared = bindModel(identified, data.input);
      checkLogits(prepared.graph);
      await using executable = await backend.compile(select(prepared.graph, ["logits"]), work);
      const limit = Math.min(options.limit ?? data.images, data.images);
      const ranks = await rank(executable, data, knownPreprocessing(prepared), limit, work);
      bar.end();
      remark(`${model} with ${prepared.weights}, on ${backend.name} (${description.library} ${description.version})`);
      for (const note of prepared.notes) remark(note);
      if (data.note) remark(data.note);
      const report = score(ranks, data);
      say(options, report, () => words(report));
    } finally {
      bar.end();
    }
  });
}

interface Report {
  readonly images: number;
  readonly correct: number;
  /** In percent, as PyTorch's tables have them. */
  readonly top1: number;
  readonly top5: number;
  readonly predictions: readonly number[];
}

/** The five likeliest classes of each image, best first. */
async function rank(
  executable: Executable<"image", "logits">,
  data: Dataset,
  preprocessing: Preprocessing,
  limit: number,
  work: Parameters<Dataset["image"]>[2],
): Promise<readonly (readonly number[])[]> {
  const ranks: (readonly number[])[] = [];
  for (let start = 0; start < limit; start += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, limit - start) }, (_, i) => start + i);
    const images = await Promise.all(indices.map((index) => data.image(index, preprocessing, work)));
    const { logits } = await executable.run({ image: stack(images) }, { signal: work.signal });
    ranks.push(...bestFive(logits));
    work.onProgress?.({ stage: "eval", done: ranks.length, total: limit });
  }
  return ranks;
}

function bestFive({ shape, data }: Answer): readonly (readonly number[])[] {
  const [rows, classes] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const logits = data.subarray(row * classes, (row + 1) * classes);
    return Array.from(logits.keys())
      .sort((a, b) => logits[b]! - logits[a]! || a - b)
      .slice(0, 5);
  });
}

function score(ranks: readonly (readonly number[])[], data: Dataset): Report {
  const correct = ranks.filter(([best], index) => best === data.label(index)).length;
  const among = ranks.filter((five, index) => five.includes(data.label(index))).length;
  const percent = (count: number) => Math.round((count / ranks.length) * 1e4) / 100;
  const predictions = ranks.map(([best]) => best!);
  return { images: ranks.length, correct, top1: percent(correct), top5: percent(among), predictions };
}

function words({ images, correct, top1, top5 }: Report): string {
  return `${correct} of ${images} right: top-1 ${top1.toFixed(2)} %, top-5 ${top5.toFixed(2)} %`;
}
