import { named, type Pads, parameter, type Value } from "../ir/value.ts";
import { batchNorm, conv2d, linear, relu } from "../ops/index.ts";
import type { BlockKind, ResNetSpec } from "./spec.ts";

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /** Whether a norm follows directly. Default true */
  readonly normalized?: boolean;
}

/** A convolution with new parameters: `NAME.weight`, and `NAME.bias` if the spec or the options ask for a bias. */
export function convolution(spec: ResNetSpec, x: Value, name: string, outputs: number, options: ConvOptions): Value {
  const { kernel, stride = 1, groups = 1, normalized = true } = options;
  const bias = options.bias ?? (spec.bias === true || (spec.bias === "unnormalized" && !normalized));
  const [, inputs, h, w] = x.shape as [unknown, number, number, number];
  const weight = parameter(`${name}.weight`, [outputs, inputs / groups, kernel, kernel]);
  const padding = paddingOf(spec, [h, w], kernel, stride);
  const shift = bias ? { bias: parameter(`${name}.bias`, [outputs]) } : {};
  return named(name, conv2d({ x, weight, ...shift }, { stride, padding, groups }));
}

/**
 * The padding for an image of [height, width]. Keras's 'same' makes the output ⌈size / stride⌉; an odd pixel goes to
 * the bottom and right.
 */
export function paddingOf(spec: ResNetSpec, size: readonly [number, number], kernel: number, stride: number): Pads {
  if (spec.padding !== "same") {
    const half = (kernel - 1) / 2;
    return [half, half, half, half];
  }
  const [h, w] = size.map((n) => Math.max((Math.ceil(n / stride) - 1) * stride + kernel - n, 0)) as [number, number];
  return [Math.floor(h / 2), Math.floor(w / 2), Math.ceil(h / 2), Math.ceil(w / 2)];
}

/** A batch norm under PyTorch's names. */
export function norm(spec: ResNetSpec, x: Value, name: string): Value {
  const channels = x.shape[1] as number;
  const of = (field: string) => parameter(`${name}.${field}`, [channels]);
  const statistics = { mean: of("running_mean"), variance: of("running_var") };
  const node = batchNorm(
    { x, scale: of("weight"), shift: of("bias"), ...statistics },
    { epsilon: spec.epsilon ?? 1e-5 },
  );
  return named(name, node);
}

export function rectify(x: Value, name: string): Value {
  return named(name, relu({ x }));
}

export function fullyConnected(x: Value, name: string, outputs: number): Value {
  const weight = parameter(`${name}.weight`, [outputs, x.shape[1] as number]);
  return named(name, linear({ x, weight, bias: parameter(`${name}.bias`, [outputs]) }));
}

/** Planes of a stage (counted from 0): the channels of the 3×3 convolutions of a plain ResNet. */
export function planesOf({ width = 64, growth = 2 }: ResNetSpec, stage: number): number {
  return typeof width === "number" ? width * growth ** stage : width[stage]!;
}

/** The kind of block of a stage (counted from 0). */
export function blockOf({ block }: ResNetSpec, stage: number): BlockKind {
  return typeof block === "string" ? block : block[stage]!;
}
