import { adamw, type NamedSources } from "@residual/core";
import { OptionError } from "@residual/pipeline";
import { encodeSafetensors, readTensors, readWeights, Weights } from "@residual/weights";
import { type FitPlatform, type Fitted, fitOn } from "../fit/fit.ts";
import type { FitOptions } from "../fit/options.ts";
import { type Plan, prepare } from "../fit/prepare.ts";
import { memoryStore, type Store } from "../fit/store.ts";
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
 * With `out`, a run that was ended goes on: in the second part at its last checkpoint, in the first at its beginning,
 * and to the same bits. Throws as `fit` does.
 */
export async function fineTuneOn(platform: FitPlatform, options: FineTuneOptions): Promise<Fitted> {
  const { out, epochs, weights } = options;
  if (weights === undefined) throw new OptionError("fineTune: give `weights` to begin with, or train anew with `fit`");
  const store = typeof out === "string" ? platform.storeOf(out) : (out ?? memoryStore());
  const isBegun = (await store.load("checkpoint")) !== undefined;
  if (epochs > 0 && isBegun) return fitOn(platform, { ...options, out: store });
  const plan = await prepare({ ...options, epochs: Math.max(epochs, 1) });
  for (const note of plan.network.notes) options.onWarning?.(note);
  const fitted = await fitHead(platform, options, plan);
  const { tensors, metadata } = await withHead(plan, fitted.weights);
  if (epochs > 0) return fitOn(platform, { ...options, weights: { tensors, metadata }, out: store });
  return { ...fitted, weights: await kept(store, tensors, metadata, fitted) };
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

/** The network's weights with the trained last layer, and its labels, so that the layer is kept. */
async function withHead({ network }: Plan, head: Weights): Promise<Required<Pick<Weights, "tensors" | "metadata">>> {
  const trained = await readTensors(head);
  const tensors = new Map([...network.weights.tensors, ...trained.tensors]) as Weights["tensors"];
  return { tensors, metadata: network.metadata };
}

/** Writes the weights to the store as the best and the last. */
async function kept(
  store: Store,
  tensors: NamedSources["tensors"],
  metadata: Weights["metadata"],
  { best }: Fitted,
): Promise<Weights> {
  const read = await readTensors(new Weights(new Map(tensors), metadata));
  const facts = { epoch: String(best.epoch), accuracy: String(best.accuracy), loss: String(best.loss) };
  const pieces = encodeSafetensors(read.tensors, { ...metadata, ...facts });
  await store.save((["best", "last"] as const).map((name) => ({ name, pieces })));
  return readWeights((await store.load("best"))!);
}
