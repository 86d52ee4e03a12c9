export { add, batchNorm, multiply, padChannels, relu, sigmoid, subsample } from "./elementwise.ts";
export { flatten, pack, unpack } from "./order.ts";
export { averagePool2d, maxPool2d } from "./pools.ts";
export { repack } from "./repack.ts";
export { logSoftmax, rowSums, softmax } from "./softmax.ts";
