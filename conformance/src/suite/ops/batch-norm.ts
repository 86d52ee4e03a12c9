import { ops, type Tensor, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { evaluate, orZeros, plus, sum } from "./carry.ts";
import { image } from "./drafts.ts";
import { counting, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { magnitudes, negative, summed } from "./rounding.ts";

/** The least variance within its error. Above −ε, so that there is a root. */
function leastVariance(
  variance: Tensor<"float64">,
  error: Tensor<"float64"> | undefined,
  epsilon: number,
): Tensor<"float64"> {
  if (!error) return variance;
  const data = variance.data.map((each, i) => Math.max(each - error.data[i]!, 1e-30 - epsilon));
  return tensorOf("float64", variance.shape, data);
}

export const batchNorm: OpSuite<"batchNorm"> = {
  byHand: [
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
  special: [
    {
      name: "NaN and infinities travel",
      inputs: {
        x: tensor([1, 1, 1, 3], [nan, inf, -inf]),
        scale: tensor([1], [2]),
        shift: tensor([1], [1]),
        mean: tensor([1], [0]),
        variance: tensor([1], [1]),
      },
      expected: tensor([1, 1, 1, 3], [nan, inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    {
      name: "a scale of 0 times infinity is NaN",
      inputs: {
        x: tensor([1, 1, 1, 2], [inf, 3]),
        scale: tensor([1], [0]),
        shift: tensor([1], [1]),
        mean: tensor([1], [0]),
        variance: tensor([1], [1]),
      },
      expected: tensor([1, 1, 1, 2], [nan, 1]),
    },
  ],
  draft: fc.tuple(image, fc.constantFrom(1e-5, 1e-3, 0.25)).map(([x, epsilon]) => ({
    shapes: { x, scale: [x[1]], shift: [x[1]], mean: [x[1]], variance: [x[1]] },
    attributes: { epsilon },
  })),
  ranges: { variance: [0.5, 1.5] },
  /**
   * (x − mean)·g + shift, or x·g + (shift − mean·g), with g = scale / √(variance + ε). g has six roundings if it comes
   * from a reciprocal root good to 2 ulp, and three if it comes from a division. A product and two sums of |x·g|,
   * |mean·g| and |shift| follow.
   */
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const { x, scale, mean, variance } = inputs;
    const flipped = { ...magnitudes(inputs), variance, mean: negative(mean) };
    const size = ops.batchNorm.evaluate(flipped, attributes, shape);
    const pixels = x.data.length / (shape[0]! * shape[1]!);
    return summed(size, 9, arithmetic, { stored: 4, factors: [x, scale, mean] }).map((bound, i) => {
      const c = Math.floor(i / pixels) % shape[1]!;
      const gain = scale.data[c]! / Math.sqrt(variance.data[c]! + attributes.epsilon);
      // The loss if x − mean or g is flushed to 0.
      const factors = Math.abs(gain) + Math.abs(mean.data[c]!) + Math.abs(x.data[i]!);
      return bound + 2 * arithmetic.smallest * factors;
    });
  },
  /**
   * With g = scale / √(variance + ε): (e(x) + e(mean))·(|g| + e(g)) + |x − mean|·e(g) + e(shift). The largest |g| has
   * the least variance, and e(g) is the effect of the scale's error there, and of the change of the variance.
   */
  carry: (inputs, errors, attributes, shape) => {
    const { x, scale, shift, mean } = magnitudes(inputs);
    const variance = leastVariance(inputs.variance, errors.variance, attributes.epsilon);
    const [ofX, ofShift] = [plus(orZeros(errors.x, x), undefined), orZeros(errors.shift, shift)];
    const ofMean = negative(orZeros(errors.mean, mean));
    const first = { x: ofX, scale: plus(scale, errors.scale), shift: ofShift, mean: ofMean, variance };
    const inner = { x, shift: orZeros(undefined, shift), mean: negative(mean) };
    const apply = (norm: Parameters<typeof evaluate>[1]) => evaluate("batchNorm", norm, attributes, shape);
    const all = sum(apply(first), apply({ ...inner, scale: orZeros(errors.scale, scale), variance }));
    if (!errors.variance) return all;
    const [most, own] = [variance, inputs.variance].map((each) => apply({ ...inner, scale, variance: each }));
    return all.map((each, i) => each + most![i]! - own![i]!);
  },
  recorded: {
    batch_norm: ({ x, gamma, beta, mean, var: variance }, { epsilon }) =>
      ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean: mean!, variance: variance! }, { epsilon: epsilon! }),
  },
};
