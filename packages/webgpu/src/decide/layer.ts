import { type AttributesOf, formatShape } from "@residual/core";
import type { Four } from "../lower/layout.ts";

/**
 * A convolution with its bias, residual and ReLU, as far as the choice of a strategy depends on them. A linear layer is
 * a 1 × 1 convolution.
 */
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

/**
 * A key of the properties that a layer's time depends on: `x 1×64×56×56, weight 64×64×3×3, bias true, residual false,
 * …`.
 */
export function keyOf({ x, weight, hasBias, hasResidual, attributes }: Layer): string {
  const { stride, padding, dilation, groups, relu } = attributes;
  const parts = { bias: hasBias, residual: hasResidual, stride, padding, dilation, groups, relu };
  const shapes = [`x ${formatShape(x)}`, `weight ${formatShape(weight)}`];
  return [...shapes, ...Object.entries(parts).map(([name, value]) => `${name} ${String(value)}`)].join(", ");
}

/** Output pixels of all images. */
export function pixelsOf({ y: [n, , h, w] }: Layer): number {
  return n * h * w;
}

/** Quads (sets of four) of input channels that an output depends on. */
export function quadsPerGroup({ weight }: Layer): number {
  return Math.ceil(weight[1] / 4);
}

/** The taps of a window: its KH × KW positions. */
export function tapsOf({ weight: [, , kh, kw] }: Layer): number {
  return kh * kw;
}

/**
 * Whether each group has a multiple of four inputs and of four outputs. A single group always qualifies, since its
 * channels are padded.
 */
export function hasWholeGroups({ weight: [o, perGroup], attributes: { groups } }: Layer): boolean {
  return groups === 1 || (perGroup % 4 === 0 && (o / groups) % 4 === 0);
}

/** Whether each block of `channels` outputs lies within a group, and the number of outputs is a multiple of four. */
export function hasWholeBlocks(layer: Layer, channels: number): boolean {
  const [outputs] = layer.weight;
  const { groups } = layer.attributes;
  return hasWholeGroups(layer) && outputs % 4 === 0 && (groups === 1 || (outputs / groups) % channels === 0);
}
