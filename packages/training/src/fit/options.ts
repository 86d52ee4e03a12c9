import type { Backend, NamedSources, Optimizer, Preprocessing, Signal, WorkOptions } from "@residual/core";
import type { GivenWeights } from "@residual/pipeline";
import type { Augmentation } from "../augment/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Sampling } from "../data/order.ts";
import type { EarlyStopping } from "../metrics/early-stopping.ts";
import type { Schedule } from "../schedules/schedules.ts";
import type { Recipe } from "./checkpoint.ts";
import type { TrainingEvent } from "./events.ts";
import type { TrainedModel } from "./network.ts";
import type { Store } from "./store.ts";

/** The length of a run, which a schedule may depend on. */
export interface RunLength {
  readonly epochs: number;
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

export interface FitOptions extends WorkOptions {
  /** A model's name, a row of your own, or a graph from `image` to `logits` with open parameters. */
  readonly model: TrainedModel;
  /** Where training begins: as for `load`. Default: random weights. */
  readonly weights?: GivenWeights | NamedSources | undefined;
  readonly train: Dataset;
  /** Pictures to judge by, with the same labels. They are never trained on. */
  readonly heldOut: Dataset;
  /** A backend, its name, or the path of a module that exports one. Default "auto" */
  readonly backend?: Backend | string | undefined;
  readonly epochs: number;
  /** Pictures of a batch, at most as many as there are. What is left of an epoch is left out. Default 128 */
  readonly batch?: number | undefined;
  /** Batches whose mean gradient makes one step. Default: each batch makes a step */
  readonly accumulate?: number | undefined;
  /** The largest learning rate of the default schedule. Default 0.1, from given weights 0.01 */
  readonly learningRate?: number | undefined;
  /** Default: up in a line over one epoch or a tenth of all steps, then down in half a cosine */
  readonly schedule?: ((length: RunLength) => Schedule) | undefined;
  /** Default `sgd({ momentum: 0.9, nesterov: true, weightDecay: 5e-4 })` */
  readonly optimizer?: Optimizer | undefined;
  /** The largest norm of the gradient. Default: no limit */
  readonly clip?: number | undefined;
  /** How much of the averaged weights each step keeps: they are judged and saved then. Default: no averages */
  readonly average?: number | undefined;
  /** Parameters or modules that stay as they are. */
  readonly freeze?: readonly string[] | undefined;
  /** Factors of the learning rate, by parameters or modules. */
  readonly rates?: { readonly [module: string]: number } | undefined;
  /** Changes to the preprocessing of the weights or the model. */
  readonly preprocessing?: Partial<Preprocessing> | undefined;
  /**
   * Default: `smallPictures` for networks of at most 64 pixels a side, `photos` for others, none for numbers. A
   * function changes the default.
   */
  readonly augmentation?: Augmentation | ((usual: Augmentation) => Augmentation) | undefined;
  /** Share of each target that is spread over all classes. Default 0 */
  readonly labelSmoothing?: number | undefined;
  /** Factors of the loss by class; "balanced" makes rare classes count as much as frequent ones. Default: 1 each */
  readonly classWeights?: readonly number[] | "balanced" | undefined;
  /** Default "shuffled" */
  readonly sampling?: Sampling | undefined;
  /** Determines the order, the augmentation and random weights. Default 0 */
  readonly seed?: number | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  /** What the best epoch has most or least of. Default "accuracy" */
  readonly bestBy?: "accuracy" | "loss" | undefined;
  /** A folder for weights and checkpoints, or a store of your own. Default: kept in memory */
  readonly out?: string | Store | undefined;
  /** A checkpoint is written after each epoch, and so often in between. Default every 30 seconds */
  readonly checkpointEvery?: { readonly steps: number } | { readonly seconds: number } | undefined;
  /** Facts of your own that a run shares with its checkpoints, by the names that an error calls them. */
  readonly facts?: Recipe | undefined;
  /** Threads that make batches (Node); 0 makes them on the caller's. Default: one less than there are cores, up to 4 */
  readonly threads?: number | undefined;
  /** The most pixels, width × height, of a picture. Default 178,956,970 */
  readonly maxPixels?: number | undefined;
  readonly signal?: Signal | undefined;
  readonly onEvent?: ((event: TrainingEvent) => void) | undefined;
  /** Pictures that cannot be read, guesses about the weights, classes with few pictures. */
  readonly onWarning?: ((message: string) => void) | undefined;
}
