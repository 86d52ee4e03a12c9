import { type AttributesOf, type OpName, sizeOf, type Tensor } from "@residual/core";
import type { Bugs, Kernel } from "./float32-backend.ts";
import { lacking, mapped, misled, spoilt, transposed } from "./kernels.ts";

/** A check of the ops by hand, or the first node of a small net's step that fails. */
export type TrainingCatch =
  | { readonly check: string }
  | { readonly net: "basic blocks" | "bottlenecks"; readonly node: string };

export interface TrainingMutation {
  readonly bug: string;
  readonly bugs: Bugs;
  readonly caught: readonly TrainingCatch[];
}

const byHand = (check: string): TrainingCatch => ({ check });
const basic = (node: string): TrainingCatch => ({ net: "basic blocks", node });
const bottleneck = (node: string): TrainingCatch => ({ net: "bottlenecks", node });

const one = (op: OpName, kernel: Kernel): Bugs => ({ kernels: { [op]: kernel } });

const zeros = (tensor: Tensor<"float32">): Tensor<"float32"> => mapped(tensor, () => 0);
const ones = (tensor: Tensor<"float32">): Tensor<"float32"> => mapped(tensor, () => 1);

function scale(y: Float32Array, factor: number): void {
  for (let i = 0; i < y.length; i++) y[i]! *= factor;
}

/** The taps of each kernel in reverse order. */
function turned(weight: Tensor<"float32">): Tensor<"float32"> {
  const taps = sizeOf(weight.shape.slice(2));
  return mapped(weight, (_, i) => weight.data[i - (i % taps) + taps - 1 - (i % taps)]!);
}

/** x without its last image, if it has more than one. */
function withoutLastImage(x: Tensor<"float32">): Tensor<"float32"> {
  const [images = 1] = x.shape;
  const kept = images === 1 ? x.data.length : (x.data.length / images) * (images - 1);
  return mapped(x, (value, i) => (i < kept ? value : 0));
}

/** Each group of channels is the first. */
function firstGroup(x: Tensor<"float32">, groups: number): Tensor<"float32"> {
  const [, channels = 1] = x.shape;
  const pixels = sizeOf(x.shape.slice(2));
  const own = (channels / groups) * pixels;
  return mapped(x, (_, i) => x.data[i - (i % (channels * pixels)) + (i % own)]!);
}

/** Bugs in gradients. */
const ofGradients: readonly TrainingMutation[] = [
  {
    bug: "ReLU's gradient passes where y is 0",
    bugs: one("reluGradient", ({ y, dy }) => dy!.data.map((each, i) => (y!.data[i]! >= 0 ? each : 0))),
    caught: [byHand("reluGradient: 0 where y is 0 or below"), basic("layer2.0.add.gradient")],
  },
  {
    bug: "ReLU's gradient is a ReLU of dy",
    bugs: one("reluGradient", ({ dy }) => dy!.data.map((each) => Math.max(each, 0))),
    caught: [byHand("reluGradient: dy where y is above 0"), basic("layer2.0.add.gradient")],
  },
  {
    bug: "the gradient of a convolution's input: the kernel is not turned",
    bugs: one(
      "conv2dInputGradient",
      misled("conv2dInputGradient", ({ weight }) => ({ inputs: { weight: turned(weight!) } })),
    ),
    caught: [
      byHand("conv2dInputGradient: a 3 × 3 kernel on 2 × 2 pixels is turned by half a turn"),
      basic("layer2.0.relu.gradient"),
    ],
  },
  {
    bug: "the gradient of a convolution's input: in and out exchanged, where they are as many",
    bugs: one(
      "conv2dInputGradient",
      misled("conv2dInputGradient", ({ weight }) => ({ inputs: { weight: transposed(weight!) } })),
    ),
    caught: [basic("layer2.0.relu.gradient")],
  },
  {
    bug: "the gradient of a strided convolution's input is shifted by a row",
    bugs: one(
      "conv2dInputGradient",
      misled("conv2dInputGradient", (_, { stride, padding: [top, left, bottom, right] }) => ({
        attributes: stride[0] > 1 && bottom > 0 ? { padding: [top + 1, left, bottom - 1, right] } : {},
      })),
    ),
    caught: [basic("layer2.0.conv1.x.gradient")],
  },
  {
    bug: "the gradient of a weight leaves out the last image",
    bugs: one(
      "conv2dWeightGradient",
      misled("conv2dWeightGradient", ({ x }) => ({ inputs: { x: withoutLastImage(x!) } })),
    ),
    caught: [byHand("conv2dWeightGradient: a sum over the images"), basic("conv1.weight.gradient")],
  },
  {
    bug: "the gradient of a weight is a mean over the batch",
    bugs: one(
      "conv2dWeightGradient",
      spoilt("conv2dWeightGradient", (y, _, { x }) => scale(y, 1 / x!.shape[0]!)),
    ),
    caught: [byHand("conv2dWeightGradient: a sum over the images"), basic("conv1.weight.gradient")],
  },
  {
    bug: "the gradients of all groups are of the first group's pixels",
    bugs: one(
      "conv2dWeightGradient",
      misled("conv2dWeightGradient", ({ x }, { groups }) => ({ inputs: { x: firstGroup(x!, groups) } })),
    ),
    caught: [byHand("conv2dWeightGradient: groups"), bottleneck("layer1.0.conv2.weight.gradient")],
  },
  {
    bug: "a tie of a max pool goes to the last",
    bugs: one("maxPool2dGradient", lastOfATie()),
    caught: [byHand("maxPool2dGradient: a tie goes to the first in row order"), bottleneck("relu.gradient")],
  },
  {
    bug: "a pixel gets the gradient of the last window that it wins, not their sum",
    bugs: one("maxPool2dGradient", (inputs, attributes, shape) =>
      overwritten(inputs.x!, inputs.dy!, attributes, shape),
    ),
    caught: [byHand("maxPool2dGradient: a pixel sums the windows that it wins"), bottleneck("relu.gradient")],
  },
  {
    bug: "a norm's gradient leaves out the way through the mean",
    bugs: one(
      "batchNormInputGradient",
      misled("batchNormInputGradient", ({ shiftGradient }) => ({ inputs: { shiftGradient: zeros(shiftGradient!) } })),
    ),
    caught: [byHand("batchNormInputGradient: the mean of dy is subtracted"), basic("layer2.0.conv2.gradient")],
  },
  {
    bug: "a norm's gradient leaves out the way through the variance",
    bugs: one(
      "batchNormInputGradient",
      misled("batchNormInputGradient", ({ scaleGradient }) => ({ inputs: { scaleGradient: zeros(scaleGradient!) } })),
    ),
    caught: [
      byHand("batchNormInputGradient: x's share of the scale's gradient is subtracted"),
      basic("layer2.0.conv2.gradient"),
    ],
  },
  {
    bug: "the gradient of a norm's scale: x is not centred",
    bugs: one(
      "batchNormScaleGradient",
      misled("batchNormScaleGradient", ({ mean }) => ({ inputs: { mean: zeros(mean!) } })),
    ),
    caught: [
      byHand("batchNormScaleGradient: mean and variance of each channel"),
      basic("layer2.0.bn2.weight.gradient"),
    ],
  },
  {
    bug: "the batch's variance is the unbiased one",
    bugs: one(
      "batchVariance",
      spoilt("batchVariance", (y, _, { x }) => {
        const count = x!.data.length / x!.shape[1]!;
        scale(y, count / Math.max(count - 1, 1));
      }),
    ),
    caught: [byHand("batchVariance: biased: divided by the number of values"), basic("bn1.variance")],
  },
  {
    bug: "the gradient of a bias is of one image",
    bugs: one(
      "channelSum",
      misled("channelSum", ({ x }) => ({ inputs: { x: withoutLastImage(x!) } })),
    ),
    caught: [byHand("channelSum: of images"), basic("layer2.0.bn2.bias.gradient")],
  },
  {
    bug: "a linear layer's weight is read as [in, out], where they are as many",
    bugs: one(
      "linearInputGradient",
      misled("linearInputGradient", ({ weight }) => ({ inputs: { weight: transposed(weight!) } })),
    ),
    caught: [byHand("linearInputGradient: weights of a square layer are [out, in]")],
  },
  {
    bug: "the gradient of the loss leaves out the softmax",
    bugs: one("logSoftmaxGradient", ({ dy }) => dy!.data.slice()),
    caught: [byHand("logSoftmaxGradient: dy − softmax(x) · Σ dy"), basic("fc.gradient")],
  },
  {
    bug: "a shortcut's gradient is repeated where it is 0",
    bugs: one("subsampleGradient", repeated),
    caught: [byHand("subsampleGradient: zeros between the pixels"), basic("layer2.0.subsample.x.gradient")],
  },
  {
    bug: "channels are cut off in front that were added behind",
    bugs: one(
      "sliceChannels",
      misled("sliceChannels", (_, { before, after }) => ({ attributes: { before: after, after: before } })),
    ),
    caught: [byHand("sliceChannels: in front")],
  },
  {
    bug: "the loss is a sum over the batch",
    bugs: one(
      "crossEntropy",
      spoilt("crossEntropy", (y, _, { logits }) => scale(y, logits!.shape[0]!)),
    ),
    caught: [byHand("crossEntropy: the mean over the batch"), basic("loss")],
  },
];

/** Bugs in optimizers, and in the state that they keep. */
const ofOptimizers: readonly TrainingMutation[] = [
  {
    bug: "momentum is dampened: the gradient counts 1 − momentum",
    bugs: averaging((_, { keep, share }) => ({ attributes: share === 1 ? { share: 1 - keep } : {} })),
    caught: [byHand("movingAverage: momentum: the whole value is added"), basic("conv1.weight.momentum_buffer.next")],
  },
  {
    bug: "the running variance is biased",
    bugs: averaging((_, { keep, share }) => ({ attributes: share === 1 ? {} : { share: 1 - keep } })),
    caught: [basic("bn1.running_var.next")],
  },
  {
    bug: "momentum is kept whole",
    bugs: averaging((_, { share }) => ({ attributes: share === 1 ? { keep: 1 } : {} })),
    caught: [byHand("movingAverage: momentum: the whole value is added"), basic("conv1.weight.momentum_buffer.next")],
  },
  {
    bug: "weight decay has the wrong sign",
    bugs: averaging((_, { decay }) => ({ attributes: { decay: -decay } })),
    caught: [
      byHand("movingAverage: decay adds a part of the parameter to the value"),
      basic("conv1.weight.momentum_buffer.next"),
    ],
  },
  {
    bug: "gradients are not clipped",
    bugs: one("movingAverage", lacking("movingAverage", "factor")),
    caught: [
      byHand("movingAverage: the factor is of the value, not of the parameter"),
      basic("conv1.weight.momentum_buffer.next"),
    ],
  },
  {
    bug: "gradients are clipped by the square of their norm",
    bugs: one(
      "clipFactor",
      misled("clipFactor", ({ squares }) => ({ inputs: { squares: mapped(squares!, (each) => each * each) } })),
    ),
    caught: [byHand("clipFactor: a long gradient is scaled to the limit"), basic("gradient.factor")],
  },
  {
    bug: "the norm of the gradient is that of its last tensor",
    bugs: one("sumOfSquares", lacking("sumOfSquares", "total")),
    caught: [byHand("sumOfSquares: added to a total"), basic("bn1.weight.gradient.squares")],
  },
  {
    bug: "the step goes up",
    bugs: one(
      "descend",
      misled("descend", ({ learningRate }) => ({ inputs: { learningRate: mapped(learningRate!, (rate) => -rate) } })),
    ),
    caught: [byHand("descend: against the direction"), basic("conv1.weight.next")],
  },
  {
    bug: "the parameter's rate factor is ignored",
    bugs: one(
      "descend",
      misled("descend", () => ({ attributes: { rate: 1 } })),
    ),
    caught: [byHand("descend: the parameter's rate factor")],
  },
  {
    bug: "Adam's second moment holds the gradient, not its square",
    bugs: averaging(() => ({ attributes: { squared: false } })),
    caught: [
      byHand("movingAverage: squared: the square of the value with its decay"),
      bottleneck("conv1.weight.exp_avg_sq.next"),
    ],
  },
  {
    bug: "Adam's moments are not corrected for their start at 0",
    bugs: adam(({ meanWeight, squareWeight }) => ({
      inputs: { meanWeight: ones(meanWeight!), squareWeight: ones(squareWeight!) },
    })),
    caught: [byHand("adamStep: moments are corrected for their start at 0"), bottleneck("conv1.weight.next")],
  },
  {
    bug: "Adam's epsilon is under the root",
    bugs: adam(({ square }, { epsilon }) => ({
      inputs: { square: mapped(square!, (each) => each + epsilon) },
      attributes: { epsilon: 0 },
    })),
    caught: [byHand("adamStep: epsilon is added to the root, not under it"), bottleneck("conv1.weight.next")],
  },
  {
    bug: "AdamW's decay is scaled as the gradient is",
    bugs: adam(({ mean, parameter, meanWeight }, { decay }) => ({
      inputs: {
        mean: mapped(mean!, (each, i) => each + decay * parameter!.data[i]! * meanWeight!.data[0]!),
      },
      attributes: { decay: 0 },
    })),
    caught: [byHand("adamStep: decay is decoupled, and rate is of both"), bottleneck("conv1.weight.next")],
  },
  {
    bug: "a batch that only adds its gradients makes a step",
    bugs: one("choose", ({ after }) => after!.data.slice()),
    caught: [byHand("choose: before")],
  },
];

export const trainingMutations: readonly TrainingMutation[] = [...ofGradients, ...ofOptimizers];

function averaging(mislead: Parameters<typeof misled<"movingAverage">>[1]): Bugs {
  return one("movingAverage", misled("movingAverage", mislead));
}

function adam(mislead: Parameters<typeof misled<"adamStep">>[1]): Bugs {
  return one("adamStep", misled("adamStep", mislead));
}

/** The largest of a window, where later pixels win ties. */
function lastOfATie(): Kernel {
  return (inputs, attributes, shape) => windows(inputs.x!, inputs.dy!, attributes, shape, (a, b) => a >= b, true);
}

function overwritten(
  x: Tensor<"float32">,
  dy: Tensor<"float32">,
  attributes: object,
  shape: readonly number[],
): Float32Array {
  return windows(x, dy, attributes, shape, (a, b) => a > b, false);
}

/** The gradient of a max pool. `wins` says whether a pixel takes a window from the best before. */
function windows(
  x: Tensor<"float32">,
  dy: Tensor<"float32">,
  attributes: object,
  shape: readonly number[],
  wins: (value: number, best: number) => boolean,
  isSummed: boolean,
): Float32Array {
  const { window, stride, padding } = attributes as AttributesOf<"maxPool2d">;
  const [, , h = 1, w = 1] = shape;
  const [n = 1, c = 1, oh = 1, ow = 1] = dy.shape;
  const dx = new Float32Array(x.data.length);
  for (let from = 0; from < n * c * oh * ow; from++) {
    const plane = Math.floor(from / (oh * ow));
    const [row, column] = [(Math.floor(from / ow) % oh) * stride[0] - padding[0], (from % ow) * stride[1] - padding[1]];
    let [best, winner] = [-Infinity, -1];
    for (let tap = 0; tap < window[0] * window[1]; tap++) {
      const [p, q] = [row + Math.floor(tap / window[1]), column + (tap % window[1])];
      if (p < 0 || q < 0 || p >= h || q >= w) continue;
      const at = (plane * h + p) * w + q;
      if (winner < 0 || wins(x.data[at]!, best)) [best, winner] = [x.data[at]!, at];
    }
    dx[winner] = (isSummed ? dx[winner]! : 0) + dy.data[from]!;
  }
  return dx;
}

/** Each pixel of dy fills its step. */
function repeated(
  inputs: { readonly [input: string]: Tensor<"float32"> },
  attributes: object,
  shape: readonly number[],
): Float32Array {
  const { stride } = attributes as AttributesOf<"subsampleGradient">;
  const [, , h = 1, w = 1] = shape;
  const [, , oh = 1, ow = 1] = inputs.dy!.shape;
  return Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const [plane, row, column] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    return inputs.dy!.data[(plane * oh + Math.floor(row / stride[0])) * ow + Math.floor(column / stride[1])]!;
  });
}
