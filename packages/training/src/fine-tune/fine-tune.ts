import { adamw, type NamedSource, type RealTensor } from "@residual/core";
import { OptionError } from "@residual/pipeline";
import { encodeSafetensors, readTensors, readWeights, Weights } from "@residual/weights";
import {
  type Checkpoint,
  checkRecipe,
  decodeCheckpoint,
  encodeCheckpoint,
  isReal,
  type Recipe,
} from "../fit/checkpoint.ts";
import { evaluate } from "../fit/evaluate.ts";
import { type FitPlatform, type Fitted, fitOn } from "../fit/fit.ts";
import type { FitOptions } from "../fit/options.ts";
import { type Plan, prepare } from "../fit/prepare.ts";
import { initialState, type TrainingState } from "../fit/state.ts";
import { memoryStore, type Store } from "../fit/store.ts";
import { scores } from "../metrics/metrics.ts";
import { cosineSchedule } from "../schedules/schedules.ts";
import { featuresOf, partsOfNetwork, weightsFor } from "./features.ts";

export interface FineTuneOptions extends FitOptions {
  readonly weights: NonNullable<FitOptions["weights"]>;
  /** Epochs of the whole network after those of its last layer; 0: the rest stays as it is. */
  readonly epochs: number;
  readonly head?: HeadOptions | undefined;
}

/** How the last layer is trained, on the features of the frozen rest. */
export interface HeadOptions {
  /** Default 50 */
  readonly epochs?: number | undefined;
  /** Of AdamW. Default 0.01 */
  readonly learningRate?: number | undefined;
  /** Features of a batch. Default 64 */
  readonly batch?: number | undefined;
  /** Times that each picture is seen: first as it is, then augmented. Each costs its time once. Default 1 */
  readonly views?: number | undefined;
}

/**
 * Trains given weights on other pictures, in two parts. First a new last layer is trained alone: the features that it
 * reads are computed once. Then, if `epochs` is above 0, the whole network is trained as by `fit`, from there on.
 *
 * The best epoch is the last layer's, as epoch 0, until another is better. With `out`, a run that was ended goes on: in
 * the second part at its last checkpoint, in the first at its beginning, and to the same bits. Throws as `fit` does.
 */
export async function fineTuneOn(platform: FitPlatform, given: FineTuneOptions): Promise<Fitted> {
  const { out, epochs, head = {} } = given;
  if (given.weights === undefined)
    throw new OptionError("fineTune: give `weights` to begin with, or train anew with `fit`");
  const store = typeof out === "string" ? platform.storeOf(out) : (out ?? memoryStore());
  const options = { ...given, out: store, facts: { ...given.facts, "the last layer's training": head } };
  const checkpoint = await store.load("checkpoint");
  if (epochs > 0 && checkpoint !== undefined) return fitOn(platform, options);
  const plan = await prepare({ ...options, epochs: Math.max(epochs, 1) });
  const recipe: Recipe = { ...plan.recipe, epochs };
  if (checkpoint !== undefined) {
    const { recipe: found, state } = await decodeCheckpoint(checkpoint);
    checkRecipe(recipe, found, options.facts);
    return finished(platform, options, plan, { store, state });
  }
  for (const note of plan.network.notes) options.onWarning?.(note);
  const fitted = await fitHead(platform, options, plan);
  const state = epochs > 0 ? beforeNetwork(fitted) : { ...initialState, ...doneWith(fitted) };
  const weights = await kept(store, plan, fitted, { recipe, state });
  return epochs > 0 ? fitOn(platform, options) : { ...fitted, weights };
}

/** What an earlier run of the last layer alone has made. */
async function finished(
  platform: FitPlatform,
  { heldOut, threads, signal }: FineTuneOptions,
  { network, backend, batchRecipe }: Plan,
  { store, state }: { readonly store: Store; readonly state: TrainingState },
): Promise<Fitted> {
  const weights = await readWeights((await store.load("best"))!);
  const maker = platform.makerOf(threads);
  try {
    const judged = await evaluate(network.graph, weights, heldOut, batchRecipe, { backend, maker, signal });
    const { best, history, unreadable } = state;
    return { best: best!, history, weights, judged, unreadable, scores: scores(judged, heldOut.labels.length) };
  } finally {
    await maker.close();
  }
}

async function fitHead(platform: FitPlatform, options: FineTuneOptions, plan: Plan): Promise<Fitted> {
  const { train, heldOut, signal, onEvent, onProgress, onWarning, seed = 0, head = {} } = options;
  const { network, backend, batchRecipe } = plan;
  const { trunk, head: graph } = partsOfNetwork(network.graph);
  const views = head.views ?? 1;
  const maker = platform.makerOf(options.threads);
  const total = train.examples.length * views + heldOut.examples.length;
  const unreadable = new Set<string>();
  try {
    onEvent?.({ kind: "part", name: "features" });
    const common = {
      backend,
      maker,
      batch: 32,
      seed,
      signal,
      onUnreadable({ name, message }: { readonly name: string; readonly message: string }) {
        if (unreadable.has(name)) return;
        unreadable.add(name);
        onWarning?.(`${name} is left out (${unreadable.size} so far): ${message}`);
      },
    };
    const tell = (before: number) => (done: number) => onProgress?.({ stage: "features", done: before + done, total });
    const seen = await featuresOf(trunk, network.weights, train, batchRecipe, {
      ...common,
      views,
      onPictures: tell(0),
    });
    const after = total - heldOut.examples.length;
    const judged = await featuresOf(trunk, network.weights, heldOut, batchRecipe, {
      ...common,
      views: 1,
      onPictures: tell(after),
    });
    onEvent?.({ kind: "part", name: "head" });
    const fitted = await fitOn(platform, {
      model: graph,
      weights: weightsFor(graph, network.weights),
      train: { ...seen, notes: [] },
      heldOut: { ...judged, notes: [] },
      backend,
      epochs: head.epochs ?? 50,
      batch: head.batch ?? 64,
      optimizer: adamw({ weightDecay: 0.01 }),
      schedule: ({ steps }) => cosineSchedule({ rate: head.learningRate ?? 0.01, steps }),
      augmentation: {},
      labelSmoothing: options.labelSmoothing,
      classWeights: options.classWeights,
      sampling: options.sampling,
      bestBy: options.bestBy,
      seed,
      threads: 0,
      signal,
      onEvent,
      onProgress,
    });
    if (options.epochs > 0) onEvent?.({ kind: "part", name: "network" });
    return { ...fitted, unreadable: [...unreadable] };
  } finally {
    await maker.close();
  }
}

/** Where the second part begins: its epochs have the last layer alone to beat. */
function beforeNetwork({ best, unreadable }: Fitted): TrainingState {
  return { ...initialState, best: { ...best, epoch: 0 }, unreadable };
}

function doneWith({ best, history, unreadable }: Fitted): Partial<TrainingState> {
  return { best, history, unreadable };
}

/** Writes the network with the trained last layer as the best and the last, and a checkpoint to go on from. */
async function kept(
  store: Store,
  { network, variables: names }: Plan,
  fitted: Fitted,
  { recipe, state }: Omit<Checkpoint, "variables">,
): Promise<Weights> {
  const head = await readTensors(fitted.weights);
  const tensors = new Map<string, NamedSource>([...network.weights.tensors, ...head.tensors]);
  const read = await readTensors(new Weights(tensors, network.metadata));
  const { epoch, accuracy, loss } = state.best!;
  const facts = { epoch: String(epoch), accuracy: String(accuracy), loss: String(loss) };
  const pieces = encodeSafetensors(read.tensors, { ...network.metadata, ...facts });
  // averages begin as the weights do
  const known = names.flatMap((name): [string, RealTensor][] => {
    const tensor = read.tensors.get(name.replace(/\.ema$/, ""));
    return tensor && isReal(tensor) ? [[name, tensor]] : [];
  });
  const variables = new Map(known);
  const checkpoint = await encodeCheckpoint({ recipe, state, variables });
  await store.save([
    { name: "best", pieces },
    { name: "last", pieces },
    { name: "checkpoint", pieces: checkpoint },
  ]);
  return readWeights((await store.load("best"))!);
}
