import { type Backend, type Graph, sgd, trainable, trainingStep, variablesOf } from "@residual/core";
import { chooseBackend, OptionError } from "@residual/pipeline";
import { type Augmentation, photos, smallPictures } from "../augment/augmentation.ts";
import { checkAugmentation } from "../augment/check-augmentation.ts";
import type { BatchRecipe } from "../batches/make-batch.ts";
import { classWeights, orderOf } from "../data/order.ts";
import { cosineSchedule, type Schedule, warmUp } from "../schedules/schedules.ts";
import type { Recipe } from "./checkpoint.ts";
import { Course } from "./course.ts";
import { digestOfDataset, digestOfGraph } from "./digest.ts";
import { type Network, networkOf } from "./network.ts";
import type { FitOptions, RunLength } from "./options.ts";

/** All that a run is determined by, besides the state that it begins with. */
export interface Plan {
  readonly network: Network;
  readonly backend: Backend;
  /** The training step, with the variables that a new run begins with. */
  readonly step: Graph<string, "loss" | "logits">;
  /** The names of its variables. */
  readonly variables: readonly string[];
  readonly course: Course;
  /** Pictures of a batch. */
  readonly batch: number;
  readonly batchRecipe: BatchRecipe;
  /** What a checkpoint must agree with. */
  readonly recipe: Recipe;
}

/** Throws OptionError for options that do not fit one another or the data, and as `networkOf` and `trainable` do. */
export async function prepare(options: FitOptions): Promise<Plan> {
  const { train, epochs, seed = 0, sampling = "shuffled", accumulate } = options;
  checkData(options);
  const network = await networkOf({ ...options, seed }, train);
  const batchRecipe = batchRecipeOf(options, network);
  const batch = Math.min(options.batch ?? 128, train.examples.length);
  const step = stepOf(options, network, batch);
  const stepsPerEpoch = Math.floor(train.examples.length / batch) / (accumulate ?? 1);
  const schedule = scheduleOf(options, { epochs, stepsPerEpoch, steps: Math.floor(epochs * stepsPerEpoch) });
  const order = orderOf(train, sampling, seed);
  const course = new Course({
    dataset: train,
    order,
    size: batch,
    recipe: batchRecipe,
    seed,
    epochs,
    schedule,
    accumulate,
  });
  const recipe: Recipe = {
    ...options.facts,
    graph: await digestOfGraph(step),
    data: await digestOfDataset(train),
    "held-out data": await digestOfDataset(options.heldOut),
    epochs,
    batch,
    seed,
    sampling,
    accumulate: accumulate ?? 1,
    "learning rates": [0, 1, 2, 3, 4].map((quarter) =>
      course.rateAt({ epoch: 0, batch: (quarter * course.batches) / 4 }),
    ),
    pictures: batchRecipe,
  };
  const { backend } = await chooseBackend(options.backend ?? "auto", { onWarning: options.onWarning });
  return {
    network,
    backend,
    step,
    variables: variablesOf(step).map(({ name }) => name),
    course,
    batch,
    batchRecipe,
    recipe,
  };
}

function checkData({ train, heldOut, epochs, batch, labelSmoothing = 0, classWeights: weights }: FitOptions): void {
  const whole = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new OptionError(`fit: \`${name}\` is ${value}, expected a whole number from 1`);
  };
  whole("epochs", epochs);
  whole("batch", batch);
  if (train.labels.join("\n") !== heldOut.labels.join("\n"))
    throw new OptionError(
      `fit: the held-out pictures have ${heldOut.labels.length} labels (${heldOut.labels.join(", ")}), those to train ` +
        `on ${train.labels.length} (${train.labels.join(", ")}); give both the same`,
    );
  if (train.examples.length === 0 || heldOut.examples.length === 0)
    throw new OptionError("fit: no pictures to train on, or none to judge by; `split` makes both of a data set");
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new OptionError(`fit: \`labelSmoothing\` is ${labelSmoothing}, expected a number from 0 to below 1`);
  if (Array.isArray(weights) && weights.length !== train.labels.length)
    throw new OptionError(`fit: ${weights.length} class weights for ${train.labels.length} classes; give one for each`);
}

function batchRecipeOf(options: FitOptions, network: Network): BatchRecipe {
  const { input, preprocessing } = network;
  const { train, maxPixels, labelSmoothing = 0, classWeights: weights } = options;
  const usual = defaultAugmentation(network);
  const { augmentation: asked = usual } = options;
  const augmentation = typeof asked === "function" ? asked(usual) : asked;
  checkAugmentation(augmentation);
  const classFactors = weights === "balanced" ? classWeights(train) : weights;
  const classes = train.labels.length;
  return {
    input,
    preprocessing,
    classes,
    maxPixels,
    augmentation,
    labelSmoothing,
    classWeights: classFactors,
    unreadable: "replace",
  };
}

function defaultAugmentation({ preprocessing }: Network): Augmentation {
  if (!preprocessing) return {};
  return preprocessing.crop <= 64 ? smallPictures : photos;
}

function stepOf(options: FitOptions, { graph, weights }: Network, batch: number): Plan["step"] {
  const { freeze, clip, average, accumulate, rates } = options;
  const optimizer = options.optimizer ?? sgd({ momentum: 0.9, nesterov: true, weightDecay: 5e-4 });
  const network = trainable(graph, { weights, batch, ...(freeze && { freeze }) });
  return trainingStep(network, {
    loss: "crossEntropy",
    optimizer,
    ...(clip !== undefined && { clip }),
    ...(average !== undefined && { average }),
    ...(accumulate !== undefined && { accumulate }),
    ...(rates && { rates }),
  });
}

function scheduleOf({ schedule, learningRate, weights }: FitOptions, length: RunLength): Schedule {
  if (schedule) return schedule(length);
  const rate = learningRate ?? (weights === undefined ? 0.1 : 0.01);
  const rising = Math.floor(Math.min(length.stepsPerEpoch, length.steps / 10));
  return warmUp(cosineSchedule({ rate, steps: Math.max(length.steps - rising, 1) }), { steps: rising, factor: 0.01 });
}
