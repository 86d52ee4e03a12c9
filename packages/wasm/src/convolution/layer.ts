import type { AttributesOf } from "@residual/core";
import type { Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import type { ModuleBuilder } from "../encode/module.ts";
import { type PhaseFunction, phase, type Values } from "../kernels/kernel.ts";
import { formatLayout, type ImageLayout } from "../layout.ts";

/**
 * The computation of a convolution with its epilogue: y = relu(x ∗ weight + bias + residual). A linear layer is a 1 × 1
 * convolution.
 */
export interface ConvolutionLayer {
  readonly x: ImageLayout;
  readonly y: ImageLayout;
  readonly residual?: ImageLayout;
  /** Images of a batch, if it is not open. */
  readonly images?: number;
  readonly hasBias: boolean;
  /** [KH, KW] */
  readonly kernel: readonly [number, number];
  readonly attributes: AttributesOf<"fusedConv2d">;
}

export type LayerOperand = "x" | "weight" | "bias" | "residual" | "y";

/** The operands of every kernel that computes a layer. */
export function operandsOf({ hasBias, residual }: ConvolutionLayer): readonly LayerOperand[] {
  const isOperand = { x: true, weight: true, bias: hasBias, residual: residual !== undefined, y: true };
  return (["x", "weight", "bias", "residual", "y"] as const).filter((operand) => isOperand[operand]);
}

/** The parameters of such a kernel's function; `bias` and `residual` only if the layer has them. */
export type LayerValues = Values<"x" | "weight" | "y"> & { readonly [N in "bias" | "residual"]?: Local<"i32"> };

/** Defines and exports one function of a layer's kernel. */
export function layerPhase(
  module: ModuleBuilder,
  text: string,
  layer: ConvolutionLayer,
  define: (body: Body, values: LayerValues) => void,
): PhaseFunction<LayerOperand> {
  return phase(module, text, operandsOf(layer), define);
}

/** Channels of x and of y in a group. */
export function groupOf({ x, y, attributes: { groups } }: ConvolutionLayer): {
  readonly inputs: number;
  readonly outputs: number;
} {
  return { inputs: x.channels / groups, outputs: y.channels / groups };
}

/** Multiply-adds per image. */
export function macsOf(layer: ConvolutionLayer): number {
  const { y, kernel } = layer;
  return y.channels * y.height * y.width * groupOf(layer).inputs * kernel[0] * kernel[1];
}

/** The properties in which kernels of a layer differ, as a text. */
export function formatLayer({ x, y, residual, hasBias, kernel, attributes }: ConvolutionLayer): string {
  const { stride, padding, dilation, groups, relu } = attributes;
  const parts = [`${kernel.join("×")}`, `/${stride.join("×")}`, `+${padding.join("+")}`];
  if (dilation.some((step) => step > 1)) parts.push(`dilated ${dilation.join("×")}`);
  if (groups > 1) parts.push(`in ${groups} groups`);
  const ending = [hasBias ? "bias" : "", residual ? `residual ${formatLayout(residual)}` : "", relu ? "relu" : ""];
  return [...parts, `${formatLayout(x)} -> ${formatLayout(y)}`, ...ending.filter(Boolean)].join(" ");
}
