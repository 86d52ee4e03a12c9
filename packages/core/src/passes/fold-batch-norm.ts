import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { constant, type Value } from "../ir/value.ts";
import { conv2d } from "../ops/index.ts";
import { is } from "../ops/nodes.ts";
import { type Pass, rewrite } from "./rewrite.ts";

/**
 * `batchNorm(conv2d(x))` with constant parameters is one `conv2d`: both are affine in x. With gain = scale / √(variance +
 * epsilon), per output channel:
 *
 *   (w ∗ x + b − mean) · gain + shift  =  (w · gain) ∗ x + ((b − mean) · gain + shift)
 *
 * The convolution must have no other reader, which would still need it as it was. Folded in float64, and kept so: what
 * rounds to float32 is the backend, once.
 */
export const foldBatchNorm: Pass = (graph) =>
  rewrite(graph, {
    batchNorm(norm, sole) {
      const { x: conv, ...statistics } = norm.inputs;
      if (!is(conv, "conv2d") || !sole("x")) return norm;
      const weight = known(conv.inputs.weight);
      const bias = conv.inputs.bias && known(conv.inputs.bias);
      const [scale, shift, mean, variance] = [
        known(statistics.scale),
        known(statistics.shift),
        known(statistics.mean),
        known(statistics.variance),
      ];
      if (!weight || !scale || !shift || !mean || !variance || (conv.inputs.bias && !bias)) return norm;
      const gain = scale.data.map((value, c) => value / Math.sqrt(variance.data[c]! + norm.attributes.epsilon));
      const offset = gain.map((value, c) => ((bias?.data[c] ?? 0) - mean.data[c]!) * value + shift.data[c]!);
      const folded = {
        weight: constant(`${conv.name}.folded.weight`, timesRows(weight, gain)),
        bias: constant(`${conv.name}.folded.bias`, tensorOf("float64", [offset.length], offset)),
      };
      return conv2d({ x: conv.inputs.x, ...folded }, conv.attributes);
    },
  });

function known(value: Value): Tensor<"float64"> | undefined {
  return value.kind === "constant" ? toFloat64(value.tensor) : undefined;
}

/** Row c times gain[c]. */
function timesRows(weight: Tensor<"float64">, gain: Float64Array): Tensor<"float64"> {
  const row = weight.data.length / gain.length;
  const data = new Float64Array(weight.data.length);
  for (let c = 0, i = 0; c < gain.length; c++) {
    const factor = gain[c]!;
    for (const end = i + row; i < end; i++) data[i] = weight.data[i]! * factor;
  }
  return tensorOf("float64", weight.shape, data);
}
