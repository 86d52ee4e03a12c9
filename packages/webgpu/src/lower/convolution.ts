import type { InputsOf } from "@residual/core";
import type { Layer } from "../decide/layer.ts";
import type { Builder, Operand } from "./builder.ts";
import { four, layoutOf, type WeightOrder } from "./layout.ts";
import { inOrder } from "./packing.ts";

/** A convolution to lower: its layer, and its operands. */
export interface Convolution {
  readonly node: string;
  readonly layer: Layer;
  readonly inputs: InputsOf<"fusedConv2d", Operand>;
}

type Params = { readonly [name: string]: number };

/** The values of `epilogueParams` (kernel.ts). */
export function epilogueOf({ hasBias, hasResidual, attributes: { relu } }: Layer): Params {
  return { hasBias: Number(hasBias), hasResidual: Number(hasResidual), relu: Number(relu) };
}

/** The values of `windowParams` (kernel.ts), and the output's width. */
export function windowOf({ x, weight: [, , kh, kw], y, attributes }: Layer): Params {
  const [down, right] = attributes.stride;
  const [top, left] = attributes.padding;
  const [dilationH, dilationW] = attributes.dilation;
  const [, , h, w] = x;
  const { quads: xQuads } = layoutOf(x);
  return { h, w, xQuads, ow: y[3], kh, kw, down, right, top, left, dilationH, dilationW };
}

/** The operands for bias and residual. A kernel binds both, so `instead` takes the place of a missing one. */
export function addends(
  { interleaved }: Builder,
  { bias, residual }: Convolution["inputs"],
  instead: Operand,
): readonly [bias: Operand, residual: Operand] {
  return [bias ? interleaved(bias) : instead, residual ? interleaved(residual) : instead];
}

/** The weights in a kernel's order. */
export function inWeightOrder({ packed }: Builder, weight: Operand, order: WeightOrder): Operand {
  return packed(weight, inOrder(order, four(weight.shape)));
}
