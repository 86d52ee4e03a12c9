import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { times } from "./times.ts";

export interface DescendOptions {
  /** Factor of the learning rate for this parameter. Default 1. */
  readonly rate?: number;
  /** Decoupled weight decay: the factor of the parameter that is added to the direction. Default 0. */
  readonly decay?: number;
}

export type DescendAttributes = { readonly rate: number; readonly decay: number };

/**
 * One step of gradient descent: parameter − rate · learningRate · (direction + decay · parameter).
 *
 *   parameter, direction of one shape, learningRate scalar  ->  the same shape
 * C1  direction has the shape of parameter.
 * C2  learningRate is a scalar.
 * Composite of affine, add and times. Source: PyTorch SGD; Loshchilov and Hutter 2019, algorithm 1, for the decay.
 */
export const descend: CompositeOp<
  "descend",
  "parameter" | "direction" | "learningRate",
  never,
  DescendOptions,
  DescendAttributes
> = defineComposite({
  name: "descend",
  inputs: { parameter: "data", direction: "data", learningRate: "data" },
  attributeKinds: { rate: "number", decay: "number" },
  attributes: ({ rate = 1, decay = 0 }: DescendOptions): DescendAttributes => ({ rate, decay }),
  check({ parameter, direction, learningRate }) {
    const isSame = direction.join() === parameter.join();
    const shapes = () => `direction is ${formatShape(direction)}, parameter is ${formatShape(parameter)}`;
    check(isSame, "descend.C1", shapes);
    const isScalar = learningRate.length === 0;
    check(isScalar, "descend.C2", () => `learningRate is ${formatShape(learningRate)}, expected a scalar`);
  },
  decompose({ parameter, direction, learningRate }, { rate, decay }) {
    const decayed = decay === 0 ? direction : add({ a: direction, b: affine({ x: parameter }, { factor: decay }) });
    const step = times({ a: decayed, b: affine({ x: learningRate }, { factor: -rate }) });
    return add({ a: parameter, b: step });
  },
});
