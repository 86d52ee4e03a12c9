import { type Classifier, load } from "@residual/pipeline";
import type { Prediction } from "@residual/vision";
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
import { modelCalled } from "../names.ts";
import { bold, dim, type Output, progressBar, remark, say } from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly model?: string;
  readonly weights?: string;
  readonly top: number;
  readonly backend: string;
  readonly threads?: number;
}

interface Row {
  readonly image: string;
  readonly predictions: readonly Prediction[];
}

/** What is on each picture. */
export function classifyCommand({ signal }: Context): Command {
  const classify = command("classify", "say what is on pictures; offline, with the weights that ship inside")
    .argument("<image...>")
    .option("--model <name>", "see residual models")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .option("--top <k>", "how many classes of each", positive, 5)
    .addOption(backendOption())
    .addOption(threadsOption());
  return withPreprocessing(classify).action(async (images: string[], options: Options) => {
    const { model, weights, top, backend, threads } = options;
    const bar = progressBar();
    try {
      await using classifier = await load({
        model: model === undefined ? undefined : modelCalled(model),
        weights,
        backend,
        threads,
        maxPixels: options.maxPixels,
        signal,
        onProgress: bar.onProgress,
        onWarning: remark,
        preprocessing: preprocessingChanges(options),
      });
      const rows: Row[] = [];
      for (const [done, image] of images.entries()) {
        if (images.length > 1) bar.onProgress({ stage: "classify", done, total: images.length });
        rows.push({ image, predictions: await classifier.classify(image, { top, signal }) });
      }
      bar.end();
      remark(origin(classifier));
      say(options, rows, () => rows.map(words).join("\n\n"));
    } finally {
      bar.end();
    }
  });
}

function origin({ model, weights, backend }: Classifier): string {
  return `${model} with ${weights}, on ${backend.name} (${backend.library} ${backend.version}, ${backend.device})`;
}

function words({ image, predictions }: Row): string {
  const lines = predictions.map(({ label, probability }) => {
    const percent = `${(probability * 100).toFixed(1).padStart(5)} %`;
    return `  ${percent}  ${dim(meter(probability))}  ${label}`;
  });
  return [bold(image), ...lines].join("\n");
}

/** A bar of 20 characters, drawn in eighths. */
function meter(share: number): string {
  const eighths = Math.round(share * 160);
  const rest = eighths % 8 === 0 ? "" : String.fromCodePoint(0x2590 - (eighths % 8));
  return ("█".repeat(Math.floor(eighths / 8)) + rest).padEnd(20);
}
