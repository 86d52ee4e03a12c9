import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { affine } from "./affine.ts";
import { channelSum } from "./channel-sum.ts";
import { centered } from "./shared/centered.ts";
import { asImage, channelSize, checkChannels } from "./shared/per-channel.ts";
import { times } from "./times.ts";

/**
 * The biased variance of each channel over the batch and its pixels: Σ (x − mean)² / (N·H·W).
 *
 *   x [N, C, H, W], mean [C]  ->  [C]
 * C1  x has rank 4 and a closed batch.
 * C2  mean has shape [C].
 * `mean` is the batchMean of x: a second pass over x, since Σx² − (Σx)² cancels. Backends may compute both in one pass
 * if they subtract an estimate of the mean first, or by Welford's method. Composite of affine, expand, add, times and
 * channelSum. Source: Ioffe and Szegedy 2015, algorithm 1; PyTorch var(unbiased=False).
 */
export const batchVariance: CompositeOp<"batchVariance", "x" | "mean"> = defineComposite({
  name: "batchVariance",
  inputs: { x: "data", mean: "mean" },
  ...noAttributes,
  check({ x, mean }) {
    channelSize(x, "batchVariance.C1");
    checkChannels(x, { mean }, "batchVariance.C2");
  },
  decompose({ x, mean }) {
    const difference = centered(x, mean);
    const sum = channelSum({ x: times({ a: difference, b: difference }) });
    return affine({ x: sum }, { factor: 1 / channelSize(x.shape, "batchVariance.C1") });
  },
  /** Σ (x − mean) is 0 for the mean of x, so that the mean has the gradient 0. */
  gradient({ inputs: { x, mean } }, dy) {
    const factor = 2 / channelSize(x.shape, "batchVariance.C1");
    return { x: times({ a: centered(x, mean), b: asImage(affine({ x: dy }, { factor })) }) };
  },
});
