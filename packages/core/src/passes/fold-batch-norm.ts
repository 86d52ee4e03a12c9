import { isFiniteInFloat32, isTensor, type RealArray, rowSize, type Source, scaleRows } from "../ir/source.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { constant, type Value } from "../ir/value.ts";
import { conv2d } from "../ops/index.ts";
import { is } from "../ops/nodes.ts";
import { type Pass, rewrite } from "./rewrite.ts";

/**
 * `batchNorm(conv2d(x))` with constant parameters is one `conv2d`: both are affine in x. With gain = scale / √(variance
 * + epsilon), per output channel:
 *
 *   (w ∗ x + b − mean) · gain + shift  =  (w · gain) ∗ x + ((b − mean) · gain + shift)
 *
 * The convolution must have no other reader, which would need its unscaled result. The statistics must be in memory;
 * the weight may be in a file, and is multiplied when it is read. Folded in float64: the backend rounds to float32,
 * once. A norm whose products are beyond float32 stays: convolution and norm one after the other may still be finite.
 */
export const foldBatchNorm: Pass = (graph) =>
  rewrite(graph, {
    batchNorm(norm, hasSingleReader) {
      const { x: conv, ...statistics } = norm.inputs;
      if (!is(conv, "conv2d") || !hasSingleReader("x")) return norm;
      const { weight } = conv.inputs;
      const bias = conv.inputs.bias && known(conv.inputs.bias);
      const [scale, shift, mean, variance] = [
        known(statistics.scale),
        known(statistics.shift),
        known(statistics.mean),
        known(statistics.variance),
      ];
      if (weight.kind !== "constant" || !scale || !shift || !mean || !variance || (conv.inputs.bias && !bias))
        return norm;
      const gain = scale.data.map((value, c) => value / Math.sqrt(variance.data[c]! + norm.attributes.epsilon));
      const offset = gain.map((value, c) => ((bias?.data[c] ?? 0) - mean.data[c]!) * value + shift.data[c]!);
      if (!offset.every(isFiniteInFloat32) || isTooLarge(weight.source, gain)) return norm;
      const folded = {
        weight: constant(`${conv.name}.folded.weight`, scaleRows(weight.source, gain, weight.name)),
        bias: constant(`${conv.name}.folded.bias`, tensorOf("float64", [offset.length], offset)),
      };
      return conv2d({ x: conv.inputs.x, ...folded }, conv.attributes);
    },
  });

/**
 * Whether a product of a row and its gain is beyond float32. Weights in a file are not checked here: `scaleRows` throws
 * for such a product when it is read.
 */
function isTooLarge(weight: Source, gain: Float64Array): boolean {
  if (!isTensor(weight)) return false;
  const row = rowSize(weight);
  return gain.some((factor, c) => {
    const numbers = weight.data.subarray(c * row, (c + 1) * row);
    return !isFiniteInFloat32(factor * largest(numbers));
  });
}

function largest(numbers: RealArray): number {
  let [least, most] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    if (value > most) most = value;
    else if (value < least) least = value;
  }
  return Math.max(most, -least);
}

/** The numbers of a constant in memory. */
function known(value: Value): Tensor<"float64"> | undefined {
  return value.kind === "constant" && isTensor(value.source) ? toFloat64(value.source) : undefined;
}
