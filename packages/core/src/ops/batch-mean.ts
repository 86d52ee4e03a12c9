import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { affine } from "./affine.ts";
import { channelSum } from "./channel-sum.ts";
import { channelSize } from "./shared/per-channel.ts";

/**
 * The mean of each channel over the batch and its pixels: the mean of a batch norm in training.
 *
 *   x [N, C, H, W]  ->  [C]
 * C1  x has rank 4 and a closed batch.
 * Composite of channelSum and affine. In training, batchNorm reads this node and batchVariance of the same x; a backend
 * can compute all three at once. Source: Ioffe and Szegedy 2015, algorithm 1.
 */
export const batchMean: CompositeOp<"batchMean", "x"> = defineComposite({
  name: "batchMean",
  inputs: { x: "data" },
  ...noAttributes,
  check: ({ x }) => void channelSize(x, "batchMean.C1"),
  decompose: ({ x }) => affine({ x: channelSum({ x }) }, { factor: 1 / channelSize(x.shape, "batchMean.C1") }),
});
