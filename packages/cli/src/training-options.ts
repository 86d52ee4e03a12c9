import { adamw, type Optimizer, sgd } from "@residual/core";
import type { Augmentation, FitOptions, FolderOptions } from "@residual/training";
import { type Command, InvalidArgumentError, Option } from "commander";
import { flagOf, type PreprocessingOptions, positive } from "./command.ts";

type Training = typeof import("@residual/training");

/** Flags that determine the course of a training run. */
export interface TrainingFlags extends PreprocessingOptions {
  readonly epochs?: number;
  readonly batch: number;
  readonly accumulate?: number;
  readonly learningRate?: number;
  readonly schedule: keyof typeof schedules;
  readonly optimizer: "sgd" | "adamw";
  readonly momentum: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly average?: number;
  readonly headEpochs: number;
  readonly headLearningRate: number;
  readonly headViews: number;
  readonly heldOut: number;
  readonly seed: number;
  readonly augment: (typeof augmentations)[number];
  readonly erasing?: true;
  readonly mixup?: number;
  readonly cutmix?: number;
  readonly labelSmoothing: number;
  readonly balance: "none" | "sampling" | "loss";
  readonly patience?: number;
  readonly bestBy: "accuracy" | "loss";
}

const augmentations = ["auto", "none", "small", "photos"] as const;

/** Learning rates over a run whose largest is `rate`. "cosine" is the default of `fit`, with its rise. */
const schedules = {
  cosine: () => undefined,
  "one-cycle":
    (training: Training, rate: number): FitOptions["schedule"] =>
    ({ steps }) =>
      training.oneCycleSchedule({ rate, steps }),
  /** He et al. 2015: a tenth at half of the steps, and again at three quarters. */
  steps:
    (training: Training, rate: number): FitOptions["schedule"] =>
    ({ steps }) =>
      training.stepSchedule({ rate, at: [Math.round(steps / 2), Math.round((3 * steps) / 4)] }),
  constant:
    (training: Training, rate: number): FitOptions["schedule"] =>
    () =>
      training.constantSchedule(rate),
};

export function withTrainingFlags(command: Command): Command {
  return command
    .optionsGroup("Training:")
    .option("--epochs <n>", "of the whole network; 30 from random weights, else 5; 0: only its last layer", whole)
    .option("--batch <n>", "pictures of a batch", positive, 128)
    .option("--accumulate <n>", "batches whose mean gradient makes one step", positive)
    .option("--learning-rate <rate>", "the largest; where not given, by optimizer and weights", above0)
    .addOption(choice("--schedule <name>", "of the learning rate", Object.keys(schedules), "cosine"))
    .addOption(choice("--optimizer <name>", "with Nesterov momentum, or AdamW", ["sgd", "adamw"], "sgd"))
    .option("--momentum <share>", "of sgd", share, 0.9)
    .option("--weight-decay <n>", "not of norms and biases; for sgd as in PyTorch, 5e-4; for adamw 0.01", from0)
    .option("--clip <norm>", "the largest norm of the gradient", above0)
    .option("--average <share>", "keep averaged weights, such as 0.999 of each step's before", share)
    .option("--patience <n>", "stop after n epochs without a better one", positive)
    .addOption(choice("--best-by <name>", "what the best epoch has most or least of", ["accuracy", "loss"], "accuracy"))
    .option("--seed <n>", "determines order, augmentation and random weights", whole, 0)
    .optionsGroup("The last layer, which is trained alone first, if there are weights:")
    .option("--head-epochs <n>", "on features that the rest computes once", positive, 50)
    .option("--head-learning-rate <rate>", "the largest, of AdamW", above0, 0.01)
    .option("--head-views <n>", "times that each picture is seen: first as it is, then augmented", positive, 1)
    .optionsGroup("Pictures:")
    .option("--held-out <share>", "of each class, where the data mark none", part, 0.2)
    .addOption(choice("--augment <name>", "crops and mirrored pictures; by size", augmentations, "auto"))
    .option("--erasing", "erase a random rectangle of a quarter of the pictures")
    .option("--mixup <alpha>", "mix pictures in pairs, such as 0.2", above0)
    .option("--cutmix <alpha>", "replace a rectangle by another picture's, such as 1", above0)
    .option("--label-smoothing <share>", "of each target, spread over all classes", share, 0)
    .addOption(choice("--balance <how>", "of rare and frequent classes", ["none", "sampling", "loss"], "none"));
}

const choice = (flags: string, text: string, names: readonly string[], first: string): Option =>
  new Option(flags, text).choices(names).default(first);

/** The options of `fit` and `fineTune` that flags stand for. */
export function trainingOptions(
  flags: TrainingFlags,
  training: Training,
  isFromWeights: boolean,
): Omit<FolderOptions, "model" | "weights" | "train" | "heldOut" | "out" | "report"> {
  const { schedule, optimizer, weightDecay, momentum, balance, patience } = flags;
  const rate = flags.learningRate ?? defaultRates[optimizer][isFromWeights ? "given" : "random"];
  const optimizers: { readonly [name in typeof optimizer]: () => Optimizer } = {
    sgd: () => sgd({ momentum, nesterov: momentum > 0, weightDecay: weightDecay ?? 5e-4, coupled: true }),
    adamw: () => adamw({ weightDecay: weightDecay ?? 0.01 }),
  };
  return {
    epochs: flags.epochs ?? (isFromWeights ? 5 : 30),
    batch: flags.batch,
    accumulate: flags.accumulate,
    learningRate: rate,
    schedule: schedules[schedule](training, rate),
    optimizer: optimizers[optimizer](),
    clip: flags.clip,
    average: flags.average,
    seed: flags.seed,
    head: { epochs: flags.headEpochs, learningRate: flags.headLearningRate, views: flags.headViews },
    augmentation: augmentationOf(flags, training),
    labelSmoothing: flags.labelSmoothing,
    sampling: balance === "sampling" ? "balanced" : "shuffled",
    classWeights: balance === "loss" ? "balanced" : undefined,
    earlyStopping: patience === undefined ? undefined : { patience, by: flags.bestBy },
    bestBy: flags.bestBy,
  };
}

/** The largest learning rate where none is given. */
const defaultRates = { sgd: { random: 0.1, given: 0.01 }, adamw: { random: 1e-3, given: 1e-4 } } as const;

function augmentationOf(flags: TrainingFlags, { photos, smallPictures }: Training): FitOptions["augmentation"] {
  const { augment, erasing, mixup, cutmix } = flags;
  const named = { auto: undefined, none: {}, small: smallPictures, photos };
  const changes: Augmentation = { ...(erasing && { erasing: { probability: 0.25 } }), mixup, cutmix };
  return (usual) => ({ ...(named[augment] ?? usual), ...changes });
}

/** The flags as facts of a run, by the names that its user knows. */
export function factsOf(flags: object, passed: readonly string[]): { readonly [flag: string]: unknown } {
  const entries = Object.entries(flags).filter(([name]) => !passed.includes(name));
  return Object.fromEntries(entries.map(([name, value]) => [flagOf(name), value]));
}

function whole(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("expected a whole number from 0");
}

function above0(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError("expected a number above 0");
}

function from0(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value < Infinity) return value;
  throw new InvalidArgumentError("expected a number from 0");
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError("expected a number from 0 to below 1");
}

function part(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("expected a number between 0 and 1");
}
