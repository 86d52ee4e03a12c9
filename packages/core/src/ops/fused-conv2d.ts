import { defineOp, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import {
  type Conv2dAttributes,
  type Conv2dOptions,
  conv2dAttributes,
  conv2dMacs,
  conv2dShape,
  convolve,
} from "./conv2d.ts";

export interface FusedConv2dOptions extends Conv2dOptions {
  /** Whether negative results become 0, after everything else. */
  readonly relu?: boolean;
}

export type FusedConv2dAttributes = Conv2dAttributes & { readonly relu: boolean };

/**
 * A convolution with what follows it in a residual block, in one: relu(conv2d(x, weight, bias) + residual).
 *
 *   x, weight, bias as conv2d has them, residual [N, O, OH, OW]  ->  [N, O, OH, OW]
 * C1 to C7  are conv2d's.
 * C8  residual, where there is one, has the output's shape.
 * Made by the pass fuseEpilogues, never by a model. Source: He et al. 2015, figure 2.
 */
export const fusedConv2d: Op<
  "fusedConv2d",
  "x" | "weight",
  "bias" | "residual",
  FusedConv2dOptions,
  FusedConv2dAttributes
> = defineOp({
  name: "fusedConv2d",
  inputs: ["x", "weight"],
  optional: ["bias", "residual"],
  attributes: ({ relu = false, ...options }: FusedConv2dOptions): FusedConv2dAttributes => ({
    ...conv2dAttributes(options),
    relu,
  }),
  shape(inputs, attributes: FusedConv2dAttributes) {
    const shape = conv2dShape(inputs, attributes);
    const { residual } = inputs;
    const fits = residual === undefined || residual.join() === shape.join();
    check(fits, "fusedConv2d.C8", `residual is ${residual && formatShape(residual)}, expected ${formatShape(shape)}`);
    return shape;
  },
  evaluate(inputs, attributes: FusedConv2dAttributes, shape) {
    const y = convolve(inputs, attributes, shape);
    const { residual } = inputs;
    if (residual) for (let i = 0; i < y.length; i++) y[i]! += residual.data[i]!;
    if (attributes.relu) for (let i = 0; i < y.length; i++) y[i] = Math.max(y[i]!, 0);
    return y;
  },
  macs: (inputs, attributes: FusedConv2dAttributes, shape) => conv2dMacs(inputs, attributes, shape),
});
