export { conv2d } from "./conv2d.ts";
export { add, batchNorm, multiply, padChannels, relu, sigmoid, subsample } from "./elementwise.ts";
export { averagePool2d, maxPool2d } from "./pools.ts";
export { logSoftmax, softmax } from "./softmax.ts";
