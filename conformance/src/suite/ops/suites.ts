import type { AnyNode, OpName, Tensor } from "@residual/core";
import * as all from "./index.ts";
import type { Cut, ExactAnswer, OpSuite } from "./op-suite.ts";

/**
 * The ops of training, which have no suites. PyTorch's gradients and training runs hold them in the tests of core and of
 * the adapters.
 */
const ofTraining = [
  "adamStep",
  "affine",
  "averagePool2dGradient",
  "batchMean",
  "batchNormInputGradient",
  "batchNormScaleGradient",
  "batchVariance",
  "channelSum",
  "choose",
  "clipFactor",
  "conv2dInputGradient",
  "conv2dWeightGradient",
  "crossEntropy",
  "descend",
  "divide",
  "expand",
  "linearInputGradient",
  "linearWeightGradient",
  "logSoftmaxGradient",
  "maxPool2dGradient",
  "meanSquaredError",
  "movingAverage",
  "reluGradient",
  "reshape",
  "sigmoidGradient",
  "sliceChannels",
  "softmaxGradient",
  "sqrt",
  "subsampleGradient",
  "sum",
  "sumOfSquares",
  "times",
] as const satisfies readonly OpName[];

/** An op with a suite. */
export type HeldOp = Exclude<OpName, (typeof ofTraining)[number]>;

/** The suite of an op. A new op is its file and a line in index.ts; without the line this table does not compile. */
export const suites: { readonly [Name in HeldOp]: OpSuite<Name> } = all;

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** The suite of an op, for code that treats all ops alike. */
export interface PlainSuite {
  bound?(inputs: Tensors, attributes: AnyNode["attributes"], answer: ExactAnswer): Float64Array;
  carry?(inputs: Tensors, errors: Tensors, attributes: object, shape: readonly number[]): Float64Array;
  cut?(inputs: Cut["inputs"], attributes: object, index: readonly number[]): Cut;
}

/** The suite of an op, by its name. */
export function suiteOf(op: string): PlainSuite {
  return suites[op as HeldOp] ?? {};
}

export const opNames: readonly HeldOp[] = Object.keys(all) as HeldOp[];
