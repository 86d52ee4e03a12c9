import { defineOp, dims4, type Op, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { affine } from "./affine.ts";
import { channelSum } from "./channel-sum.ts";
import { divide } from "./divide.ts";
import { uniform } from "./shared/per-channel.ts";
import { sqrt } from "./sqrt.ts";
import { times } from "./times.ts";

export interface BatchNormOptions {
  /** Added to the variance, inside the root. PyTorch's default is 1e-5, Keras's 1e-3. */
  readonly epsilon?: number;
}

export type BatchNormAttributes = { readonly epsilon: number };

/**
 * Normalizes each channel by the running statistics of training: (x − mean) / √(variance + epsilon) · scale + shift.
 *
 *   x [N, C, H, W], scale [C], shift [C], mean [C], variance [C]  ->  [N, C, H, W]
 * C1  x has rank 4.
 * C2  scale, shift, mean and variance have shape [C].
 * C3  epsilon is finite and not negative.
 * Source: Ioffe and Szegedy 2015, algorithm 2; PyTorch BatchNorm2d in eval mode (weight, bias, running_mean,
 * running_var).
 */
export const batchNorm: Op<
  "batchNorm",
  "x" | "scale" | "shift" | "mean" | "variance",
  never,
  BatchNormOptions,
  BatchNormAttributes
> = defineOp({
  name: "batchNorm",
  inputs: { x: "data", scale: "scale", shift: "shift", mean: "mean", variance: "variance" },
  attributeKinds: { epsilon: "number" },
  attributes: ({ epsilon = 1e-5 }: BatchNormOptions): BatchNormAttributes => ({ epsilon }),
  shape({ x, ...perChannel }, { epsilon }) {
    const [, channels] = rank4(x, "batchNorm.C1");
    for (const [name, shape] of Object.entries(perChannel)) {
      const fits = shape.length === 1 && shape[0] === channels;
      check(fits, "batchNorm.C2", () => `${name} is ${formatShape(shape)}, x has ${channels} channels`);
    }
    check(epsilon >= 0 && epsilon < Infinity, "batchNorm.C3", `epsilon is ${epsilon}`);
    return x;
  },
  evaluate({ x, scale, shift, mean, variance }, { epsilon }, shape) {
    const [, channels, h, w] = dims4(shape);
    const y = new Float64Array(x.data.length);
    for (let i = 0, plane = 0; i < y.length; plane++) {
      const c = plane % channels;
      const gain = scale.data[c]! / Math.sqrt(variance.data[c]! + epsilon);
      const [center, offset] = [mean.data[c]!, shift.data[c]!];
      for (const end = i + h * w; i < end; i++) y[i] = (x.data[i]! - center) * gain + offset;
    }
    return y;
  },
  /** In training, mean and variance are nodes, whose gradients flow on to x. */
  gradient({ inputs: { x, scale, mean, variance }, attributes }, dy) {
    const channels = x.shape[1] as number;
    const [ones, zeros] = [uniform("ones", channels, 1), uniform("zeros", channels, 0)];
    const normalized = batchNorm({ x, scale: ones, shift: zeros, mean, variance }, attributes);
    const shiftGradient = channelSum({ x: dy });
    const scaleGradient = channelSum({ x: times({ a: dy, b: normalized }) });
    const spread = affine({ x: variance }, { offset: attributes.epsilon });
    const slope = divide({ a: times({ a: scale, b: scaleGradient }), b: spread });
    const gain = divide({ a: scale, b: sqrt({ x: spread }) });
    return {
      x: batchNorm({ x: dy, scale, shift: zeros, mean: zeros, variance }, attributes),
      scale: scaleGradient,
      shift: shiftGradient,
      mean: affine({ x: times({ a: gain, b: shiftGradient }) }, { factor: -1 }),
      variance: affine({ x: slope }, { factor: -0.5 }),
    };
  },
});
