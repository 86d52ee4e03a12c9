import { type CompositeOp, defineComposite } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { type BatchNormAttributes, type BatchNormOptions, batchNorm } from "./batch-norm.ts";
import { divide } from "./divide.ts";
import { channelSize, checkChannels, uniform } from "./shared/per-channel.ts";
import { sqrt } from "./sqrt.ts";
import { times } from "./times.ts";

/**
 * The gradient of a batch norm in training with respect to x, through the batch's mean and variance too:
 *
 *   scale · r · (dy − shiftGradient / M − (x − mean) · r · scaleGradient / M),
 *   r = 1 / √(variance + epsilon),  M = N·H·W
 *
 *   x, dy [N, C, H, W], scale, mean, variance, scaleGradient, shiftGradient [C]  ->  [N, C, H, W]
 * C1  x has rank 4 and a closed batch.
 * C2  the vectors have shape [C].
 * C3  dy has the shape of x.
 * mean and variance are those of x, scaleGradient is batchNormScaleGradient, shiftGradient is channelSum(dy). Composite
 * of two batchNorms and their sum. Source: Ioffe and Szegedy 2015, section 3; PyTorch native_batch_norm_backward.
 */
export const batchNormInputGradient: CompositeOp<
  "batchNormInputGradient",
  "x" | "dy" | "scale" | "mean" | "variance" | "scaleGradient" | "shiftGradient",
  never,
  BatchNormOptions,
  BatchNormAttributes
> = defineComposite({
  name: "batchNormInputGradient",
  inputs: {
    x: "data",
    dy: "data",
    scale: "scale",
    mean: "mean",
    variance: "variance",
    scaleGradient: "data",
    shiftGradient: "data",
  },
  attributeKinds: { epsilon: "number" },
  attributes: (options: BatchNormOptions) => batchNorm.attributes(options),
  check({ x, dy, ...vectors }) {
    channelSize(x, "batchNormInputGradient.C1");
    checkChannels(x, vectors, "batchNormInputGradient.C2");
    const expected = () => `dy is ${formatShape(dy)}, x is ${formatShape(x)}`;
    check(dy.join() === x.join(), "batchNormInputGradient.C3", expected);
  },
  decompose({ x, dy, scale, mean, variance, scaleGradient, shiftGradient }, attributes) {
    const share = 1 / channelSize(x.shape, "batchNormInputGradient.C1");
    const shift = uniform("zeros", x.shape[1] as number, 0);
    const own = batchNorm(
      { x: dy, scale, shift, mean: affine({ x: shiftGradient }, { factor: share }), variance },
      attributes,
    );
    const deviation = sqrt({ x: affine({ x: variance }, { offset: attributes.epsilon }) });
    const gain = divide({ a: times({ a: scale, b: scaleGradient }), b: deviation });
    const spread = batchNorm({ x, scale: affine({ x: gain }, { factor: -share }), shift, mean, variance }, attributes);
    return add({ a: own, b: spread });
  },
});
