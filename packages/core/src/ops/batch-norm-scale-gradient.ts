import { type CompositeOp, defineComposite, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { type BatchNormAttributes, type BatchNormOptions, batchNorm } from "./batch-norm.ts";
import { channelSum } from "./channel-sum.ts";
import { checkChannels, uniform } from "./shared/per-channel.ts";
import { times } from "./times.ts";

/**
 * The gradient of batchNorm with respect to its scale: Σ dy · (x − mean) / √(variance + epsilon), per channel.
 *
 *   x, dy [N, C, H, W], mean [C], variance [C]  ->  [C]
 * C1  x has rank 4.
 * C2  mean and variance have shape [C].
 * C3  dy has the shape of x.
 * Composite of batchNorm, times and channelSum. Source: Ioffe and Szegedy 2015, section 3.
 */
export const batchNormScaleGradient: CompositeOp<
  "batchNormScaleGradient",
  "x" | "dy" | "mean" | "variance",
  never,
  BatchNormOptions,
  BatchNormAttributes
> = defineComposite({
  name: "batchNormScaleGradient",
  inputs: { x: "data", dy: "data", mean: "mean", variance: "variance" },
  attributeKinds: { epsilon: "number" },
  attributes: (options: BatchNormOptions) => batchNorm.attributes(options),
  check({ x, dy, ...vectors }) {
    rank4(x, "batchNormScaleGradient.C1");
    checkChannels(x, vectors, "batchNormScaleGradient.C2");
    const expected = () => `dy is ${formatShape(dy)}, x is ${formatShape(x)}`;
    check(dy.join() === x.join(), "batchNormScaleGradient.C3", expected);
  },
  decompose({ x, dy, mean, variance }, attributes) {
    const channels = x.shape[1] as number;
    const unit = { scale: uniform("ones", channels, 1), shift: uniform("zeros", channels, 0) };
    return channelSum({ x: times({ a: dy, b: batchNorm({ x, ...unit, mean, variance }, attributes) }) });
  },
});
