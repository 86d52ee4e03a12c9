import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { conv2d } from "./conv2d.ts";
import { relu } from "./relu.ts";
import type { Conv2dAttributes, Conv2dOptions } from "./shared/convolution.ts";

export interface FusedConv2dOptions extends Conv2dOptions {
  /** Whether a ReLU follows the sum. */
  readonly relu?: boolean;
}

export type FusedConv2dAttributes = Conv2dAttributes & { readonly relu: boolean };

/**
 * A convolution with the addition and the ReLU that follow it in a residual block: relu(conv2d(x, weight, bias) +
 * residual).
 *
 *   x, weight, bias as in conv2d, residual [N, O, OH, OW]  ->  [N, O, OH, OW]
 * C1  residual, if given, has the output's shape.
 * Composite of conv2d, add and relu. The pass fuseEpilogues makes it; models do not. Source: He et al. 2015, figure 2.
 */
export const fusedConv2d: CompositeOp<
  "fusedConv2d",
  "x" | "weight",
  "bias" | "residual",
  FusedConv2dOptions,
  FusedConv2dAttributes
> = defineComposite({
  name: "fusedConv2d",
  inputs: { x: "data", weight: "weight" },
  optional: { bias: "bias", residual: "data" },
  attributeKinds: { ...conv2d.attributeKinds, relu: "flag" },
  attributes: ({ relu = false, ...options }: FusedConv2dOptions): FusedConv2dAttributes => ({
    ...conv2d.attributes(options),
    relu,
  }),
  check({ residual, ...inputs }, attributes) {
    if (residual === undefined) return;
    const shape = conv2d.shape(inputs, conv2d.attributes(attributes));
    const fits = residual.join() === shape.join();
    check(fits, "fusedConv2d.C1", `residual is ${formatShape(residual)}, expected ${formatShape(shape)}`);
  },
  decompose({ x, weight, bias, residual }, { relu: isRectified, ...attributes }) {
    const y = conv2d({ x, weight, bias }, attributes);
    const sum = residual ? add({ a: y, b: residual }) : y;
    return isRectified ? relu({ x: sum }) : sum;
  },
});
