import {
  type Graph,
  type ModelAlias,
  type ModelName,
  type Preprocessing,
  type ResNetSpec,
  select,
  type ValueNameOf,
  type variants,
  type WorkOptions,
} from "@residual/core";
import { type BackendSource, Chooser } from "./backends/choose.ts";
import type { BackendOptions } from "./backends/options.ts";
import { isNative } from "./backends/table.ts";
import { checkOptions, checks } from "./check-options.ts";
import { type Classifier, ModelClassifier } from "./classifier.ts";
import { prepareWith } from "./compile.ts";
import type { PrepareOptions } from "./identify.ts";
import type { Platform } from "./platform/platform.ts";
import { checkClasses, checkLogits, knownPreprocessing, type Prepared } from "./prepare.ts";

/** A model's name, or a row of your own. */
type Model = ModelName | ModelAlias | ResNetSpec;

/** The names of a model's values, if the compiler knows the model. */
type NamesOf<M extends Model> = M extends ModelName
  ? (typeof variants)[M] extends infer Row extends ResNetSpec
    ? ValueNameOf<Row>
    : string
  : M extends ResNetSpec
    ? ValueNameOf<M>
    : string;

export interface LoadOptions<M extends Model = Model> extends WorkOptions, BackendOptions {
  /** Default: the model in the weights' metadata. */
  readonly model?: M | undefined;
  readonly weights?: PrepareOptions["weights"];
  /**
   * Takes only tensors whose names have this prefix, as `readWeights` does: `"ema."` for the moving average of a
   * checkpoint.
   */
  readonly prefix?: string | undefined;
  /** A name for each class, in order. Default: the weights' or the model's. */
  readonly labels?: readonly string[] | undefined;
  /** Forbids downloads of known weights, as RESIDUAL_OFFLINE=1 and HF_HUB_OFFLINE=1 do. Default false */
  readonly offline?: boolean | undefined;
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /** A backend, its name, the path of a module that exports one, or `auto`: the best that works here. Default `auto` */
  readonly backend?: BackendSource | undefined;
  /**
   * "process" runs the backend in a child process (Node): a crash of a native runtime, or of a thread that is
   * terminated during a run, then ends the child instead of this process. Runs take a few milliseconds longer. Default
   * "none"; for native backends in a worker thread "process", since the thread's creator may terminate it.
   */
  readonly isolation?: "none" | "process" | undefined;
  /** The most pixels, width × height, of a picture. Default 178,956,970, as in Pillow */
  readonly maxPixels?: number | undefined;
}

export type Load = <const M extends Model = ResNetSpec>(options?: LoadOptions<M>) => Promise<Classifier<NamesOf<M>>>;

const optionChecks = {
  model: checks.textOrObject,
  weights: checks.anything,
  prefix: checks.text,
  labels: [Array.isArray, "a list of names"],
  offline: checks.flag,
  preprocessing: checks.object,
  backend: checks.textOrObject,
  isolation: [(value: unknown) => value === "none" || value === "process", '"none" or "process"'],
  maxPixels: checks.count,
  threads: checks.count,
  wasmPaths: checks.object,
  signal: checks.signal,
  onProgress: checks.callback,
  onWarning: checks.callback,
} as const satisfies { readonly [Name in keyof LoadOptions]-?: unknown };

/** `checkPreprocessing` checks the values. A name that it does not know would be ignored silently. */
const preprocessingChecks = {
  resize: checks.anything,
  crop: checks.anything,
  interpolation: checks.anything,
  scale: checks.anything,
  mean: checks.anything,
  std: checks.anything,
  channels: checks.anything,
  upright: checks.anything,
} as const satisfies { readonly [Name in keyof Preprocessing]-?: unknown };

/**
 * Loads a classifier by names: `await load()` for the weights that ship with the package, `await load({ model:
 * "resnet50", weights: "r50.safetensors" })` for others.
 *
 * Throws OptionError (an UnsupportedError) for an unknown option or name, WeightsError if weights and model do not fit,
 * FormatError for a damaged file, BackendUnavailableError if the backend's runtime is missing, AbortError. After an
 * error everything that was opened is closed.
 */
export async function loadOn(platform: Platform, options: LoadOptions = {}): Promise<Classifier> {
  checkOptions("load", options, optionChecks);
  if (options.preprocessing) checkOptions("load: `preprocessing`", options.preprocessing, preprocessingChecks);
  const { backend: source = "auto", maxPixels } = options;
  const isolation = options.isolation ?? ((await needsProcess(source, platform)) ? "process" : "none");
  const compiler =
    isolation === "process" ? await platform.inChildProcess(source, options) : new Chooser(source, options, platform);
  const { prepared, executable, backend, description, reason } = await prepareWith(compiler, options, (found) =>
    select(graphForPictures(found), ["logits"]),
  );
  return new ModelClassifier({
    prepared: { ...prepared, graph: graphForPictures(prepared) },
    preprocessing: knownPreprocessing(prepared),
    backend: { name: backend.name, reason, ...description },
    executable,
    maxPixels,
    compile: (graph, work) => backend.compile(graph, work),
  });
}

/** The graph of a model that classifies pictures. Throws OptionError or WeightsError for any other model. */
export function graphForPictures(prepared: Prepared): Graph<"image", "logits"> {
  const { graph } = prepared;
  checkLogits(graph);
  checkClasses(prepared);
  knownPreprocessing(prepared);
  return graph;
}

async function needsProcess(source: BackendSource, platform: Platform): Promise<boolean> {
  return typeof source === "string" && isNative(source) && (await platform.isWorkerThread());
}
