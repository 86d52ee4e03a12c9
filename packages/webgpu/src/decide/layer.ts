import { type AttributesOf, formatShape } from "@residual/core";
import type { Four } from "../lower/layout.ts";

/** A convolution with what follows it, as far as the choice of a strategy depends on it. A linear layer is a 1 × 1. */
export interface Layer {
  /** [N, C, H, W] */
  readonly x: Four;
  /** [O, C / groups, KH, KW] */
  readonly weight: Four;
  /** [N, O, OH, OW] */
  readonly y: Four;
  readonly hasBias: boolean;
  readonly hasResidual: boolean;
  readonly attributes: AttributesOf<"fusedConv2d">;
}

/** Equal for layers that take the same time: `x 1×64×56×56, weight 64×64×3×3, bias true, residual false, …`. */
export function keyOf({ x, weight, hasBias, hasResidual, attributes }: Layer): string {
  const { stride, padding, dilation, groups, relu } = attributes;
  const parts = { bias: hasBias, residual: hasResidual, stride, padding, dilation, groups, relu };
  const shapes = [`x ${formatShape(x)}`, `weight ${formatShape(weight)}`];
  return [...shapes, ...Object.entries(parts).map(([name, value]) => `${name} ${String(value)}`)].join(", ");
}

/** Pixels of the output in all images. */
export function pixelsOf({ y: [n, , h, w] }: Layer): number {
  return n * h * w;
}

/** Channels of x, in fours, that an output sees. */
export function quadsPerGroup({ weight }: Layer): number {
  return Math.ceil(weight[1] / 4);
}

export function tapsOf({ weight: [, , kh, kw] }: Layer): number {
  return kh * kw;
}

/** Whether a group's inputs and outputs are both whole fours; they are where there is one group. */
export function hasWholeGroups({ weight: [o, perGroup], attributes: { groups } }: Layer): boolean {
  return groups === 1 || (perGroup % 4 === 0 && (o / groups) % 4 === 0);
}

/** Whether blocks of so many output channels lie within groups, and no channel of the last four is missing. */
export function hasWholeBlocks(layer: Layer, channels: number): boolean {
  const [outputs] = layer.weight;
  const { groups } = layer.attributes;
  return hasWholeGroups(layer) && outputs % 4 === 0 && (groups === 1 || (outputs / groups) % channels === 0);
}
