import { type Tensor, tensor, tensorOf } from "@residual/core";
import type { OpCases } from "./op-case.ts";

/** Several numbers in a row: 1, 2, 3, … */
const counting = (shape: readonly number[], from = 1): Tensor<"float32"> =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i),
  );

const exactly = (shape: readonly number[], numbers: readonly number[]): Tensor<"float64"> =>
  tensorOf("float64", shape, Float64Array.from(numbers));

/** 1 2 3 / 4 5 6 / 7 8 9 */
const nine = counting([1, 1, 3, 3]);

const { E } = Math;

/** Each row is small enough to be worked out on paper, and is. */
export const byHand: OpCases = {
  conv2d: [
    {
      name: "the kernel is not flipped", // a convolution in the mathematical sense would answer 9·1 + …
      inputs: { x: counting([1, 1, 2, 2]), weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]) },
      expected: tensor([1, 1, 1, 1], [4321]),
    },
    {
      name: "rows come before columns in the kernel",
      inputs: { x: nine, weight: tensor([1, 1, 1, 3], [1, 0, -1]) },
      expected: tensor([1, 1, 3, 1], [-2, -2, -2]),
    },
    {
      name: "padding is zeros, on each side its own", // top 1, left 0, bottom 0, right 2
      inputs: { x: counting([1, 1, 2, 2]), weight: tensor([1, 1, 2, 2], [1, 1, 1, 1]) },
      options: { padding: [1, 0, 0, 2] },
      expected: tensor([1, 1, 2, 3], [3, 2, 0, 10, 6, 0]),
    },
    {
      name: "stride starts at the first pixel, and drops what is left over",
      inputs: { x: counting([1, 1, 4, 4]), weight: tensor([1, 1, 1, 1], [1]) },
      options: { stride: [3, 2] },
      expected: tensor([1, 1, 2, 2], [1, 3, 13, 15]),
    },
    {
      name: "stride with padding", // the windows' upper left corners are at −1 and 1
      inputs: { x: nine, weight: tensor([1, 1, 2, 2], [1, 1, 1, 1]) },
      options: { stride: 2, padding: 1 },
      expected: tensor([1, 1, 2, 2], [1, 5, 11, 28]),
    },
    {
      name: "dilation, down and right each its own",
      inputs: { x: counting([1, 1, 3, 4]), weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]) },
      options: { dilation: [2, 3] },
      expected: tensor([1, 1, 1, 1], [1 + 40 + 900 + 12000]),
    },
    {
      name: "groups stay in order", // channels 1, 2 make outputs 1, 2; channels 3, 4 outputs 3, 4
      inputs: {
        x: tensor([1, 4, 1, 1], [1, 2, 3, 4]),
        weight: tensor([4, 2, 1, 1], [1, 10, 100, 1000, 2, 20, 200, 2000]),
      },
      options: { groups: 2 },
      expected: tensor([1, 4, 1, 1], [21, 2100, 86, 8600]),
    },
    {
      name: "depthwise, two outputs a channel",
      inputs: { x: tensor([1, 2, 1, 1], [3, 5]), weight: tensor([4, 1, 1, 1], [1, 10, 100, 1000]) },
      options: { groups: 2 },
      expected: tensor([1, 4, 1, 1], [3, 30, 500, 5000]),
    },
    {
      name: "a bias for each channel, at each pixel",
      inputs: {
        x: tensor([1, 1, 1, 2], [1, 2]),
        weight: tensor([3, 1, 1, 1], [1, 1, 1]),
        bias: tensor([3], [10, 20, 30]),
      },
      expected: tensor([1, 3, 1, 2], [11, 12, 21, 22, 31, 32]),
    },
    {
      name: "weights of a square layer are [out, in]",
      inputs: { x: tensor([1, 2, 1, 1], [1, 2]), weight: tensor([2, 2, 1, 1], [1, 10, 100, 1000]) },
      expected: tensor([1, 2, 1, 1], [21, 2100]),
    },
    {
      name: "the second image has an answer of its own",
      inputs: { x: tensor([2, 1, 1, 2], [1, 2, 30, 40]), weight: tensor([1, 1, 1, 2], [1, 1]) },
      expected: tensor([2, 1, 1, 1], [3, 70]),
    },
    {
      name: "a kernel larger than the image, in padding",
      inputs: { x: tensor([1, 1, 1, 1], [7]), weight: counting([1, 1, 3, 3]) },
      options: { padding: 1 },
      expected: tensor([1, 1, 1, 1], [35]),
    },
    {
      name: "seven columns: none is skipped where tiles are of four or eight",
      inputs: { x: counting([1, 1, 1, 7]), weight: tensor([5, 1, 1, 1], [1, 2, 3, 4, 5]) },
      expected: tensor(
        [1, 5, 1, 7],
        [1, 2, 3, 4, 5].flatMap((w) => [1, 2, 3, 4, 5, 6, 7].map((x) => w * x)),
      ),
    },
  ],
  fusedConv2d: [
    {
      name: "relu comes after the residual, not before", // −5 + 3 and 5 − 7 are negative, −2 + 4 is not
      inputs: {
        x: tensor([1, 1, 1, 4], [-5, 5, -2, 1]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 4], [3, -7, 4, 1]),
      },
      options: { relu: true },
      expected: tensor([1, 1, 1, 4], [0, 0, 2, 2]),
    },
    {
      name: "without relu negative numbers stay",
      inputs: {
        x: tensor([1, 1, 1, 2], [-5, 5]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 2], [3, -7]),
      },
      options: { relu: false },
      expected: tensor([1, 1, 1, 2], [-2, -2]),
    },
    {
      name: "bias, then relu",
      inputs: { x: tensor([1, 1, 1, 2], [-5, 5]), weight: tensor([1, 1, 1, 1], [1]), bias: tensor([1], [-3]) },
      options: { relu: true },
      expected: tensor([1, 1, 1, 2], [0, 2]),
    },
    {
      name: "bias and residual are added once each",
      inputs: {
        x: tensor([1, 1, 1, 1], [1]),
        weight: tensor([2, 1, 1, 1], [1, 2]),
        bias: tensor([2], [10, 20]),
        residual: tensor([1, 2, 1, 1], [100, 200]),
      },
      options: { relu: true },
      expected: tensor([1, 2, 1, 1], [111, 222]),
    },
    {
      name: "nothing but a convolution",
      inputs: { x: nine, weight: tensor([1, 1, 2, 2], [1, 0, 0, -1]) },
      expected: tensor([1, 1, 2, 2], [-4, -4, -4, -4]),
    },
    {
      name: "stride, padding and groups with a residual",
      inputs: {
        x: tensor([1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
        weight: tensor([2, 1, 2, 2], [1, 1, 1, 1, 1, 0, 0, 0]),
        residual: tensor([1, 2, 1, 1], [-20, 1]),
      },
      options: { stride: 2, groups: 2, relu: true },
      expected: tensor([1, 2, 1, 1], [0, 6]),
    },
    {
      name: "each image has its own residual",
      inputs: {
        x: tensor([2, 1, 1, 1], [1, 2]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([2, 1, 1, 1], [10, 20]),
      },
      options: { relu: true },
      expected: tensor([2, 1, 1, 1], [11, 22]),
    },
  ],
  linear: [
    {
      name: "weights of a square layer are [out, in]",
      inputs: { x: tensor([1, 2], [1, 2]), weight: tensor([2, 2], [1, 10, 100, 1000]) },
      expected: tensor([1, 2], [21, 2100]),
    },
    {
      name: "a bias for each output",
      inputs: { x: tensor([1, 1], [2]), weight: tensor([3, 1], [1, 2, 3]), bias: tensor([3], [10, 20, 30]) },
      expected: tensor([1, 3], [12, 24, 36]),
    },
    {
      name: "each row of a batch",
      inputs: { x: tensor([2, 2], [1, 2, 3, 4]), weight: tensor([1, 2], [1, 10]), bias: tensor([1], [100]) },
      expected: tensor([2, 1], [121, 143]),
    },
    {
      name: "nine features: the last is not lost where sums go by eight",
      inputs: { x: counting([1, 9]), weight: tensor([1, 9], [0, 0, 0, 0, 0, 0, 0, 0, 1]) },
      expected: tensor([1, 1], [9]),
    },
  ],
  batchNorm: [
    {
      name: "mean, variance, scale and shift of each channel", // (1 − 3) / 2 · 10 + 100, (8 − 2) / 3 · −1 + 7
      inputs: {
        x: tensor([1, 2, 1, 1], [1, 8]),
        scale: tensor([2], [10, -1]),
        shift: tensor([2], [100, 7]),
        mean: tensor([2], [3, 2]),
        variance: tensor([2], [4, 9]),
      },
      options: { epsilon: 0 },
      expected: tensor([1, 2, 1, 1], [90, 5]),
    },
    {
      name: "epsilon is added to the variance, under the root", // √(0.5625 + 0.4375) = 1, not 0.75 + 0.4375
      inputs: {
        x: tensor([1, 1, 1, 1], [3]),
        scale: tensor([1], [1]),
        shift: tensor([1], [0]),
        mean: tensor([1], [0]),
        variance: tensor([1], [0.5625]),
      },
      options: { epsilon: 0.4375 },
      expected: tensor([1, 1, 1, 1], [3]),
    },
    {
      name: "a variance of 0 leaves epsilon", // x / √(2⁻¹⁶)
      inputs: {
        x: tensor([1, 1, 1, 1], [3]),
        scale: tensor([1], [1]),
        shift: tensor([1], [0]),
        mean: tensor([1], [0]),
        variance: tensor([1], [0]),
      },
      options: { epsilon: 2 ** -16 },
      expected: tensor([1, 1, 1, 1], [768]),
    },
    {
      name: "every pixel of every image",
      inputs: {
        x: counting([2, 2, 1, 2]),
        scale: tensor([2], [1, 2]),
        shift: tensor([2], [0, 10]),
        mean: tensor([2], [1, 1]),
        variance: tensor([2], [1, 1]),
      },
      options: { epsilon: 0 },
      expected: tensor([2, 2, 1, 2], [0, 1, 14, 16, 4, 5, 22, 24]),
    },
  ],
  maxPool2d: [
    {
      name: "padding never wins", // a pool padded with zeros would answer 0
      inputs: { x: tensor([1, 1, 2, 2], [-1, -2, -3, -4]) },
      options: { window: 3, stride: 2, padding: 1 },
      expected: tensor([1, 1, 1, 1], [-1]),
    },
    {
      name: "padding on each side its own", // top 0, left 1, bottom 1, right 0
      inputs: { x: nine },
      options: { window: 2, stride: 2, padding: [0, 1, 1, 0] },
      expected: tensor([1, 1, 2, 2], [4, 6, 7, 9]),
    },
    {
      name: "windows overlap",
      inputs: { x: nine },
      options: { window: 2, stride: 1 },
      expected: tensor([1, 1, 2, 2], [5, 6, 8, 9]),
    },
    {
      name: "what is left over is dropped",
      inputs: { x: counting([1, 1, 3, 5]) },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 2], [7, 9]),
    },
    {
      name: "window and stride, down and right each their own",
      inputs: { x: counting([1, 1, 4, 4]) },
      options: { window: [1, 3], stride: [2, 1] },
      expected: tensor([1, 1, 2, 2], [3, 4, 11, 12]),
    },
    {
      name: "the largest in the first place, and in each plane",
      inputs: { x: tensor([2, 2, 2, 1], [9, 1, -9, -10, 0, 0.5, 4, 3]) },
      options: { window: [2, 1] },
      expected: tensor([2, 2, 1, 1], [9, -9, 0.5, 4]),
    },
  ],
  averagePool2d: [
    {
      name: "the mean of the window",
      inputs: { x: counting([1, 1, 2, 4]) },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 2], [3.5, 5.5]),
    },
    {
      name: "with ceil a last window is divided by what it sees", // by 2 and 1, not by 4
      inputs: { x: nine },
      options: { window: 2, ceil: true },
      expected: tensor([1, 1, 2, 2], [3, 4.5, 7.5, 9]),
    },
    {
      name: "without ceil what is left over is dropped",
      inputs: { x: nine },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 1], [3]),
    },
    {
      name: "with ceil an image smaller than the window",
      inputs: { x: tensor([1, 1, 1, 1], [5]) },
      options: { window: 2, ceil: true },
      expected: tensor([1, 1, 1, 1], [5]),
    },
    {
      name: "windows overlap, each plane for itself",
      inputs: { x: counting([1, 2, 1, 3]) },
      options: { window: [1, 2], stride: 1 },
      expected: tensor([1, 2, 1, 2], [1.5, 2.5, 4.5, 5.5]),
    },
  ],
  globalAveragePool: [
    {
      name: "over rows and columns, for each channel of each image",
      inputs: { x: counting([2, 2, 2, 1]) },
      expected: tensor([2, 2, 1, 1], [1.5, 3.5, 5.5, 7.5]),
    },
    {
      name: "of one pixel it is that",
      inputs: { x: tensor([1, 2, 1, 1], [3, -4]) },
      expected: tensor([1, 2, 1, 1], [3, -4]),
    },
    { name: "seven by seven", inputs: { x: counting([1, 1, 7, 7]) }, expected: tensor([1, 1, 1, 1], [25]) },
    {
      name: "what cancels is 0",
      inputs: { x: tensor([1, 1, 1, 4], [1, -1, 8, -8]) },
      expected: tensor([1, 1, 1, 1], [0]),
    },
  ],
  add: [
    {
      name: "element by element",
      inputs: { a: tensor([1, 2, 1, 2], [1, 2, 3, 4]), b: tensor([1, 2, 1, 2], [10, -2, 30, 40]) },
      expected: tensor([1, 2, 1, 2], [11, 0, 33, 44]),
    },
    {
      name: "each image to its own",
      inputs: { a: tensor([2, 1], [1, 2]), b: tensor([2, 1], [10, 20]) },
      expected: tensor([2, 1], [11, 22]),
    },
    {
      name: "five numbers: none is skipped where they go by four",
      inputs: { a: counting([1, 5]), b: counting([1, 5]) },
      expected: tensor([1, 5], [2, 4, 6, 8, 10]),
    },
    {
      name: "a small number is rounded to even, not cut off", // 2²⁴ + 3 lies between 2²⁴ + 2 and 2²⁴ + 4
      inputs: { a: tensor([1, 1], [2 ** 24]), b: tensor([1, 1], [3]) },
      expected: exactly([1, 1], [2 ** 24 + 3]),
    },
  ],
  multiply: [
    {
      name: "one gate for each channel",
      inputs: { x: counting([1, 2, 1, 2]), gate: tensor([1, 2, 1, 1], [10, 0.5]) },
      expected: tensor([1, 2, 1, 2], [10, 20, 1.5, 2]),
    },
    {
      name: "each image has its own gates",
      inputs: { x: counting([2, 1, 2, 1]), gate: tensor([2, 1, 1, 1], [1, 10]) },
      expected: tensor([2, 1, 2, 1], [1, 2, 30, 40]),
    },
    {
      name: "a square: channels are gated, not columns",
      inputs: { x: tensor([1, 2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1]), gate: tensor([1, 2, 1, 1], [2, 3]) },
      expected: tensor([1, 2, 2, 2], [2, 2, 2, 2, 3, 3, 3, 3]),
    },
    {
      name: "a gate of 0 closes",
      inputs: { x: tensor([1, 1, 1, 2], [-7, 7]), gate: tensor([1, 1, 1, 1], [0]) },
      expected: tensor([1, 1, 1, 2], [0, 0]),
    },
  ],
  relu: [
    {
      name: "negative numbers become 0, others stay",
      inputs: { x: tensor([1, 5], [-2, -0.001, 0, 0.001, 2]) },
      expected: tensor([1, 5], [0, 0, 0, Math.fround(0.001), 2]),
    },
    {
      name: "large numbers are not cut off at 6",
      inputs: { x: tensor([1, 2], [6.5, 1e30]) },
      expected: tensor([1, 2], [6.5, 1e30]),
    },
    {
      name: "every pixel of every image",
      inputs: { x: tensor([2, 1, 1, 3], [-1, 1, -2, 2, -3, 3]) },
      expected: tensor([2, 1, 1, 3], [0, 1, 0, 2, 0, 3]),
    },
    { name: "no slope below 0", inputs: { x: tensor([1, 1], [-1e6]) }, expected: tensor([1, 1], [0]) },
  ],
  sigmoid: [
    { name: "half at 0", inputs: { x: tensor([1, 1], [0]) }, expected: tensor([1, 1], [0.5]) },
    {
      name: "the logistic function, not a line through it", // a hard sigmoid answers 0.667 at 1
      inputs: { x: tensor([1, 4], [1, -1, 4, -4]) },
      expected: exactly(
        [1, 4],
        [1, -1, 4, -4].map((x) => 1 / (1 + Math.exp(-x))),
      ),
    },
    { name: "far out it is 0 and 1", inputs: { x: tensor([1, 2], [-200, 200]) }, expected: exactly([1, 2], [0, 1]) },
    {
      name: "of an image",
      inputs: { x: tensor([1, 2, 1, 1], [0, Math.LN2]) },
      expected: exactly([1, 2, 1, 1], [0.5, 1 / (1 + Math.exp(-Math.fround(Math.LN2)))]),
    },
  ],
  softmax: [
    {
      name: "e to the x, over their sum",
      inputs: { x: tensor([1, 3], [0, 1, 2]) },
      expected: exactly(
        [1, 3],
        [1, E, E * E].map((each) => each / (1 + E + E * E)),
      ),
    },
    {
      name: "large logits do not overflow",
      inputs: { x: tensor([1, 2], [1000, 1001]) },
      expected: exactly([1, 2], [1 / (1 + E), E / (1 + E)]),
    },
    {
      name: "each row for itself",
      inputs: { x: tensor([2, 2], [0, 0, 0, -100]) },
      expected: exactly([2, 2], [0.5, 0.5, 1 / (1 + Math.exp(-100)), Math.exp(-100) / (1 + Math.exp(-100))]),
    },
    {
      name: "over classes, not over images",
      inputs: { x: tensor([2, 1], [3, 5]) },
      expected: tensor([2, 1], [1, 1]),
    },
  ],
  logSoftmax: [
    {
      name: "x less the logarithm of the sum",
      inputs: { x: tensor([1, 3], [0, 1, 2]) },
      expected: exactly(
        [1, 3],
        [0, 1, 2].map((x) => x - Math.log(1 + E + E * E)),
      ),
    },
    {
      name: "small probabilities are not lost", // the logarithm of a softmax would be −∞
      inputs: { x: tensor([1, 2], [0, 1000]) },
      expected: exactly([1, 2], [-1000, 0]),
    },
    {
      name: "large logits do not overflow",
      inputs: { x: tensor([1, 2], [10000, 10000]) },
      expected: exactly([1, 2], [-Math.LN2, -Math.LN2]),
    },
    { name: "each row for itself", inputs: { x: tensor([2, 1], [3, -5]) }, expected: exactly([2, 1], [0, 0]) },
  ],
  flatten: [
    {
      name: "channels, then rows, then columns", // NHWC would interleave the channels
      inputs: { x: counting([1, 2, 2, 2]) },
      expected: counting([1, 8]),
    },
    { name: "each image a row", inputs: { x: counting([2, 3, 1, 1]) }, expected: counting([2, 3]) },
    { name: "uneven sides", inputs: { x: counting([1, 2, 1, 3]) }, expected: counting([1, 6]) },
    { name: "one number", inputs: { x: tensor([1, 1, 1, 1], [5]) }, expected: tensor([1, 1], [5]) },
  ],
  subsample: [
    {
      name: "begins with the first pixel",
      inputs: { x: counting([1, 1, 4, 4]) },
      options: { stride: 2 },
      expected: tensor([1, 1, 2, 2], [1, 3, 9, 11]),
    },
    {
      name: "an odd side keeps its last",
      inputs: { x: nine },
      options: { stride: 2 },
      expected: tensor([1, 1, 2, 2], [1, 3, 7, 9]),
    },
    {
      name: "down and right each its own",
      inputs: { x: nine },
      options: { stride: [1, 3] },
      expected: tensor([1, 1, 3, 1], [1, 4, 7]),
    },
    {
      name: "each plane for itself",
      inputs: { x: counting([2, 2, 1, 2]) },
      options: { stride: 2 },
      expected: tensor([2, 2, 1, 1], [1, 3, 5, 7]),
    },
  ],
  padChannels: [
    {
      name: "zeros before and after, in this order",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]) },
      options: { before: 1, after: 2 },
      expected: tensor([1, 4, 1, 2], [0, 0, 1, 2, 0, 0, 0, 0]),
    },
    {
      name: "all of them after",
      inputs: { x: tensor([1, 2, 1, 1], [1, 2]) },
      options: { after: 2 },
      expected: tensor([1, 4, 1, 1], [1, 2, 0, 0]),
    },
    {
      name: "of each image",
      inputs: { x: tensor([2, 1, 1, 1], [1, 2]) },
      options: { before: 1 },
      expected: tensor([2, 2, 1, 1], [0, 1, 0, 2]),
    },
    { name: "none", inputs: { x: nine }, options: {}, expected: nine },
  ],
};
