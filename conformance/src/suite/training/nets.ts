import {
  adamw,
  fill,
  fixtureInput,
  fixtureWeights,
  type Graph,
  type ResNetSpec,
  reference,
  resnet,
  sgd,
  type Tensor,
  type TrainingStepOptions,
  tensor,
  tensorOf,
  trainable,
  trainingStep,
  variablesOf,
  variants,
  withVariables,
} from "@residual/core";
import type { Subject } from "../nodes.ts";

/** A network and the way it is trained. */
export interface TrainedNet {
  readonly name: string;
  readonly spec: ResNetSpec;
  readonly shape: readonly [number, number, number, number];
  readonly options: Omit<TrainingStepOptions, "loss">;
}

/**
 * The nets together have nearly every op of training: both kinds of blocks, each kind of shortcut, groups, gates, and
 * the parts of a step.
 */
export const smallNets: readonly TrainedNet[] = [
  {
    name: "basic blocks",
    spec: { block: "basic", depths: [1, 1], width: 8, stem: "cifar", shortcut: "padEven", classes: 5 },
    shape: [3, 3, 10, 10],
    options: { optimizer: sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.01, coupled: true }), clip: 0.5 },
  },
  {
    name: "bottlenecks",
    spec: {
      block: "bottleneck",
      depths: [1],
      strides: [2],
      width: 4,
      groups: 2,
      widthPerGroup: 32,
      shortcut: "pooled",
      squeeze: 4,
      classes: 6,
    },
    shape: [2, 3, 24, 24],
    options: { optimizer: adamw({ weightDecay: 0.05 }), average: 0.9, accumulate: 2 },
  },
];

/** The network of a name in the goldens: a model's, or one that is for training only. */
export function trainedSpecOf(name: string): ResNetSpec {
  const all: { readonly [name: string]: ResNetSpec } = variants;
  if (name === "resnext14_32x4d") {
    return { block: "bottleneck", depths: [1, 1, 1, 1], groups: 32, widthPerGroup: 4 };
  }
  return all[name]!;
}

/** A network in training mode with the goldens' weights. */
export function trainableNet(
  spec: ResNetSpec,
  shape: readonly number[],
  salt: string,
): { readonly open: Graph; readonly net: Graph<string, "logits"> } {
  const open = resnet(spec, { input: shape }) as Graph<string, "logits">;
  return { open, net: trainable(open, { weights: fixtureWeights(open, salt) }) };
}

/** Rows with a 1 at each label. */
export function oneHot(labels: readonly number[], classes: number): Tensor<"float32"> {
  const hot = new Float32Array(labels.length * classes);
  for (const [row, label] of labels.entries()) hot[row * classes + label] = 1;
  return tensorOf("float32", [labels.length, classes], hot);
}

/**
 * A step of training with its inputs. It is the second step, since the state that an optimizer keeps is 0 in the first.
 * The reference computes that state.
 */
export async function secondStep({ name, spec, shape, options }: TrainedNet): Promise<Subject> {
  const { net } = trainableNet(spec, shape, name);
  const step = trainingStep(net, { ...options, loss: "crossEntropy" }) as Graph;
  const [batch, classes] = step.outputs.logits!.shape as [number, number];
  const inputs: { [name: string]: Tensor<"float32"> } = {
    image: fixtureInput(name, shape),
    target: softTarget(name, batch, classes),
    learningRate: tensor([], [0.125]),
    ...(options.accumulate !== undefined && { apply: tensor([], [1]) }),
  };
  await using executable = await reference.compile(step);
  await executable.run(inputs);
  const names = variablesOf(step).map((each) => each.name);
  const state = await executable.read(names);
  return { graph: withVariables(step, new Map(Object.entries(state))), inputs };
}

/** Labels that are smoothed, so that no product is with 0 or 1. */
function softTarget(salt: string, batch: number, classes: number): Tensor<"float32"> {
  const labels = [...fill(salt, "labels", [batch], 0, classes).data].map(Math.floor);
  const { shape, data } = oneHot(labels, classes);
  return tensorOf(
    "float32",
    shape,
    data.map((each) => 0.9 * each + 0.1 / classes),
  );
}

/** The network of a recorded run, by its id. */
export function recordedNet(id: string): TrainedNet {
  const [, name, shape] = /^train_(.*)_(\d+x\d+x\d+x\d+)$/.exec(id)!;
  return {
    name: `${name} ${shape}`,
    spec: trainedSpecOf(name!),
    shape: shape!.split("x").map(Number) as [number, number, number, number],
    options: { optimizer: sgd({ weightDecay: 1e-4, coupled: true, decayAll: true }) },
  };
}
