import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape, type Value } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { times } from "./times.ts";

export interface MovingAverageOptions {
  /** Factor of the average so far. */
  readonly keep: number;
  /** Factor of the new value. Default: 1 − keep. */
  readonly share?: number;
  /** Factor of the parameter that is added to the new value: weight decay in the gradient. Default 0. */
  readonly decay?: number;
  /** Whether the new value is squared. */
  readonly squared?: boolean;
}

export type MovingAverageAttributes = {
  readonly keep: number;
  readonly share: number;
  readonly decay: number;
  readonly squared: boolean;
};

/**
 * A weighted sum of an average and a new value: keep · average + share · v, with v = factor · value + decay ·
 * parameter, or its square.
 *
 *   average, value, parameter of one shape, factor scalar  ->  the same shape
 * C1  average, value and parameter have the same shape.
 * C2  factor, if given, is a scalar.
 * C3  parameter is given if and only if decay is not 0.
 * One op for the state that training keeps for each tensor: the momentum of SGD (share 1), both moments of Adam,
 * running statistics, averaged weights. `factor` is that of gradient clipping. Composite of times, affine and add.
 * Source: PyTorch SGD, AdamW and BatchNorm2d.
 */
export const movingAverage: CompositeOp<
  "movingAverage",
  "average" | "value",
  "parameter" | "factor",
  MovingAverageOptions,
  MovingAverageAttributes
> = defineComposite({
  name: "movingAverage",
  inputs: { average: "data", value: "data" },
  optional: { parameter: "data", factor: "data" },
  attributeKinds: { keep: "number", share: "number", decay: "number", squared: "flag" },
  attributes(options: MovingAverageOptions): MovingAverageAttributes {
    const { keep, share = 1 - keep, decay = 0, squared = false } = options;
    return { keep, share, decay, squared };
  },
  check({ average, value, parameter, factor }, { decay }) {
    const isSame = value.join() === average.join() && (parameter ?? value).join() === value.join();
    const shapes = () => [average, value, ...(parameter ? [parameter] : [])].map(formatShape).join(", ");
    check(isSame, "movingAverage.C1", () => `average, value and parameter are ${shapes()}`);
    const isScalar = factor === undefined || factor.length === 0;
    check(isScalar, "movingAverage.C2", () => `factor is ${factor && formatShape(factor)}, expected a scalar`);
    const agrees = (parameter !== undefined) === (decay !== 0);
    check(agrees, "movingAverage.C3", `decay is ${decay}, and parameter is ${parameter ? "given" : "missing"}`);
  },
  decompose({ average, value, parameter, factor }, { keep, share, decay, squared }) {
    let v: Value = factor ? times({ a: value, b: factor }) : value;
    if (parameter) v = add({ a: v, b: affine({ x: parameter }, { factor: decay }) });
    if (squared) v = times({ a: v, b: v });
    return add({ a: affine({ x: average }, { factor: keep }), b: affine({ x: v }, { factor: share }) });
  },
});
