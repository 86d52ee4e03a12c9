export {
  batchNormInputGradient,
  gradientParts,
  momentParts,
  moments,
  normalize,
  scaleGradientOfParts,
  squareParts,
} from "./batch-norm.ts";
export {
  divideByScalar,
  divideBySmaller,
  divideRow,
  expand,
  expandRow,
  timesRow,
  timesScalar,
  timesSmaller,
} from "./broadcast.ts";
export { conv2dInputGradient, conv2dWeightGradient } from "./conv2d-gradients.ts";
export {
  add,
  addRow,
  affine,
  affineRow,
  batchNorm,
  divide,
  multiply,
  padChannels,
  relu,
  sigmoid,
  sqrt,
  sqrtRow,
  subsample,
  times,
} from "./elementwise.ts";
export { maxPool2dGradient, maxPool2dWinners, reluGradient, reluGradientRow, sliceChannels } from "./gradients.ts";
export { interleave } from "./interleave.ts";
export { adamStep, choose, descend, movingAverage } from "./optimizers.ts";
export { flatten, pack, unpack } from "./order.ts";
export { averagePool2d, maxPool2d } from "./pools.ts";
export { repack } from "./repack.ts";
export { logSoftmax, rowSums, softmax } from "./softmax.ts";
export { channelSums, rowSumGroups, squareSums, sumOfParts, sumToTotal } from "./sums.ts";
export { sumWeightParts } from "./weight-product.ts";
