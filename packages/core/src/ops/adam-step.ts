import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { affine } from "./affine.ts";
import { descend } from "./descend.ts";
import { divide } from "./divide.ts";
import { sqrt } from "./sqrt.ts";

export interface AdamStepOptions {
  /** Added to the root of the second moment. Default 1e-8. */
  readonly epsilon?: number;
  /** Factor of the learning rate for this parameter. Default 1. */
  readonly rate?: number;
  /** Decoupled weight decay. Default 0. */
  readonly decay?: number;
}

export type AdamStepAttributes = { readonly epsilon: number; readonly rate: number; readonly decay: number };

/**
 * One step of AdamW: parameter − rate · learningRate · (m / (√v + epsilon) + decay · parameter), with the moments
 * corrected for their start at 0: m = mean / meanWeight, v = square / squareWeight.
 *
 *   parameter, mean, square of one shape, meanWeight, squareWeight, learningRate scalars  ->  the same shape
 * C1  mean and square have the shape of parameter.
 * C2  meanWeight, squareWeight and learningRate are scalars.
 * C3  epsilon is finite and not negative.
 * The weights are 1 − β^t at step t, computed as moving averages of 1: no power, and no difference of close numbers.
 * Composite of divide, sqrt, affine and descend. Source: PyTorch AdamW; Loshchilov and Hutter 2019, algorithm 2.
 */
export const adamStep: CompositeOp<
  "adamStep",
  "parameter" | "mean" | "square" | "meanWeight" | "squareWeight" | "learningRate",
  never,
  AdamStepOptions,
  AdamStepAttributes
> = defineComposite({
  name: "adamStep",
  inputs: {
    parameter: "data",
    mean: "data",
    square: "data",
    meanWeight: "data",
    squareWeight: "data",
    learningRate: "data",
  },
  attributeKinds: { epsilon: "number", rate: "number", decay: "number" },
  attributes: ({ epsilon = 1e-8, rate = 1, decay = 0 }: AdamStepOptions): AdamStepAttributes => ({
    epsilon,
    rate,
    decay,
  }),
  check({ parameter, mean, square, ...scalars }, { epsilon }) {
    const isSame = mean.join() === parameter.join() && square.join() === parameter.join();
    const shapes = () => [parameter, mean, square].map(formatShape).join(", ");
    check(isSame, "adamStep.C1", () => `parameter, mean and square are ${shapes()}`);
    for (const [name, shape] of Object.entries(scalars))
      check(shape.length === 0, "adamStep.C2", () => `${name} is ${formatShape(shape)}, expected a scalar`);
    check(epsilon >= 0 && epsilon < Infinity, "adamStep.C3", `epsilon is ${epsilon}`);
  },
  decompose({ parameter, mean, square, meanWeight, squareWeight, learningRate }, { epsilon, ...attributes }) {
    const root = sqrt({ x: divide({ a: square, b: squareWeight }) });
    const direction = divide({ a: divide({ a: mean, b: meanWeight }), b: affine({ x: root }, { offset: epsilon }) });
    return descend({ parameter, direction, learningRate }, attributes);
  },
});
