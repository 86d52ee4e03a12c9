import { ResidualError } from "@residual/core";
import { type Classifier, load, OptionError } from "@residual/pipeline";
import type { Prediction } from "@residual/vision";
import type { Command } from "commander";
import stringWidth from "string-width";
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
import { UsageError } from "../errors.ts";
import { labelsIn } from "../labels-file.ts";
import { modelCalled } from "../names.ts";
import { camPaths, writeCam } from "../pictures/cam-files.ts";
import { type Named, picturesOf } from "../pictures/sources.ts";
import { pictureNamed } from "../pictures/stdin.ts";
import { shorten } from "../printable.ts";
import { RowStream } from "../row-stream.ts";
import {
  type Bar,
  bold,
  columns,
  complain,
  dim,
  type Output,
  progressBar,
  remark,
  remarkInLines,
} from "../terminal.ts";

interface Options extends Output, PreprocessingOptions {
  readonly model?: string;
  readonly weights?: string;
  readonly prefix?: string;
  readonly labels?: string;
  readonly top: number;
  readonly cam?: string;
  readonly camClass?: string;
  readonly backend: string;
  readonly threads?: number;
}

/** The class activation map of a picture: its file and its class. */
interface CamRow extends Prediction {
  readonly file: string;
}

/** The result of a picture. */
type Row =
  | { readonly image: string; readonly predictions: readonly Prediction[]; readonly cam?: CamRow }
  | { readonly image: string; readonly error: { readonly code: string; readonly message: string } };

/** Classifies pictures. */
export function classifyCommand({ signal }: Context): Command {
  const classify = command("classify", "say what is in pictures; offline, with the weights that ship inside", [
    "classify cat.png holiday/ 'photos/*.jpg' --cam maps/",
    "classify - --weights r50.safetensors --json < cat.png",
  ])
    .argument("<image...>", "a file, a folder, a pattern, a URL, or - for a picture on stdin")
    .option("--model <name>", "see residual models")
    .option("--weights <w>", "a file, known weights or fixture:SALT")
    .addOption(prefixOption())
    .option("--labels <file>", "names of the classes: one a line, or JSON; else those of the weights or the model")
    .option("--top <k>", "classes to show per picture", positive, 5)
    .option(
      "--cam <path>",
      "write where the top class is seen (class activation map): a .png, .jpg or .webp, or a folder",
    )
    .option("--cam-class <class>", "the class of the map, by its name or index")
    .addOption(backendOption())
    .addOption(threadsOption());
  return withPreprocessing(classify).action(async (images: string[], options: Options) => {
    const { model, weights, backend, threads, cam, camClass } = options;
    if (camClass !== undefined && cam === undefined) throw new UsageError("--cam-class goes with --cam");
    const { pictures, notes } = await picturesOf(images);
    checkAny(pictures);
    const cams = cam === undefined ? undefined : await camPaths(cam, readable(pictures));
    const bar = progressBar();
    try {
      await using classifier = await load({
        model: model === undefined ? undefined : modelCalled(model),
        weights,
        prefix: options.prefix,
        labels: options.labels === undefined ? undefined : await labelsIn(options.labels),
        backend,
        threads,
        maxPixels: options.maxPixels,
        signal,
        onProgress: bar.onProgress,
        onWarning: remarkInLines,
        preprocessing: preprocessingChanges(options),
      });
      await classifyAll(classifier, pictures, { ...options, signal, bar, cams });
      bar.end();
      for (const note of notes) remark(note);
      remark(origin(classifier));
      remark(knowledge(classifier));
      if (backend === "auto") remarkInLines(`auto took ${classifier.backend.name}: ${classifier.backend.reason}`);
    } finally {
      bar.end();
    }
  });
}

/** Checked before weights are read: if no picture exists, prints all errors and throws the last. */
function checkAny(pictures: readonly Named[]): void {
  const errors = pictures.flatMap((picture) => ("error" in picture ? [picture.error] : []));
  if (errors.length < pictures.length) return;
  for (const { code, message } of errors.slice(0, -1)) complain(code, message);
  throw errors.at(-1)!;
}

/**
 * Prints each result as it comes. A picture that cannot be classified is named on stderr and sets the exit code to 1;
 * the others continue. Throws the error if there is only one picture.
 */
async function classifyAll(
  classifier: Classifier,
  pictures: readonly Named[],
  { bar, top, signal, cams, camClass, ...output }: Options & Context & { readonly bar: Bar; readonly cams: Paths },
): Promise<void> {
  const rows = new RowStream<Row>(output, words);
  const fail = (image: string, error: ResidualError) => {
    if (pictures.length === 1) throw error;
    complain(error.code, error.message);
    process.exitCode = 1;
    rows.hold({ image, error: { code: error.code, message: error.message } });
  };
  const names = readable(pictures);
  const outcomes = cams
    ? camAll(classifier, names, cams, { top, signal, class: camClass })
    : classifier.classifyAll(names.map(pictureNamed), { top, signal });
  for (const [done, picture] of pictures.entries()) {
    if (pictures.length > 1) bar.onProgress({ stage: "classify", done, total: pictures.length });
    const { name } = picture;
    const outcome = "error" in picture ? picture : (await outcomes.next()).value!;
    bar.clear();
    if (outcome.error) fail(name, outcome.error);
    else rows.add({ image: name, predictions: outcome.predictions, ...("cam" in outcome && { cam: outcome.cam }) });
  }
  rows.end();
}

function readable(pictures: readonly Named[]): readonly string[] {
  return pictures.filter((picture) => !("error" in picture)).map(({ name }) => name);
}

type Paths = readonly string[] | undefined;

/** Like the classifier's classifyAll, with a file for each picture's class activation map. */
async function* camAll(
  classifier: Classifier,
  names: readonly string[],
  paths: readonly string[],
  options: Context & { readonly top: number; readonly class: string | undefined },
) {
  const wanted = classOf(options.class, classifier);
  for (const [at, name] of names.entries()) {
    const file = paths[at]!;
    try {
      const cam = await classifier.cam(pictureNamed(name), { ...options, class: wanted });
      await writeCam(file, cam, options);
      yield { predictions: cam.predictions, cam: { file, ...cam.prediction } };
    } catch (error) {
      if (!isOfPicture(error)) throw error;
      yield { error };
    }
  }
}

/** Whether other pictures can continue: the error concerns neither the model, the class, nor the whole work. */
function isOfPicture(error: unknown): error is ResidualError {
  if (!(error instanceof ResidualError) || error instanceof OptionError) return false;
  return !["AbortError", "BackendUnavailableError", "ShapeError"].includes(error.code);
}

/** A number is an index, unless it is a class's name. */
function classOf(given: string | undefined, { labels }: Classifier): string | number | undefined {
  return given !== undefined && /^\d+$/.test(given) && !labels?.includes(given) ? Number(given) : given;
}

function origin({ model, weights, backend }: Classifier): string {
  return `${model} with ${weights}, on ${backend.name} (${backend.library} ${backend.version}, ${backend.device})`;
}

/** `10 classes: airplane … truck`: the possible answers. */
function knowledge({ labels, graph }: Classifier): string {
  const classes = labels?.length ?? graph.outputs.logits?.shape[1];
  if (!labels)
    return `${classes} classes, whose names neither the weights nor the model know; give them by --labels FILE`;
  return `${classes} classes: ${shorten(labels[0]!, 30)} … ${shorten(labels.at(-1)!, 30)}`;
}

const METER = 20;

function words(row: Row): readonly string[] {
  if ("error" in row) return [];
  const lines = row.predictions.map(({ label, probability }) => {
    const start = `  ${percentOf(probability).padStart(7)}  ${dim(meter(probability))}  `;
    return start + fitted(label, columns() - 13 - METER);
  });
  const { cam } = row;
  const where = cam && dim(`  ${cam.file}: where ${fitted(cam.label, 30)} (${percentOf(cam.probability)}) is seen`);
  return [bold(row.image), ...lines, ...(where ? [where] : [])];
}

const percentOf = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A label on one line. A class name from a file may have any length. */
function fitted(label: string, width: number): string {
  return stringWidth(label) <= width ? label : shorten(label, width);
}

/** A bar of 20 characters, drawn in eighths. */
function meter(share: number): string {
  const eighths = Math.round(share * 8 * METER);
  const rest = eighths % 8 === 0 ? "" : String.fromCodePoint(0x2590 - (eighths % 8));
  return ("█".repeat(Math.floor(eighths / 8)) + rest).padEnd(METER);
}
