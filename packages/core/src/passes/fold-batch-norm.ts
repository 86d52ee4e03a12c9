import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { type Constant, constant, type Value } from "../ir/value.ts";
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
 * rounds to float32 is the backend, once. The products are not worked out before somebody asks for them.
 */
export const foldBatchNorm: Pass = (graph) =>
  rewrite(graph, {
    batchNorm(norm, sole) {
      const { x: conv, ...statistics } = norm.inputs;
      if (!is(conv, "conv2d") || !sole("x")) return norm;
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
      const folded = {
        weight: constant(`${conv.name}.folded.weight`, timesRows(weight.tensor, gain)),
        bias: constant(`${conv.name}.folded.bias`, tensorOf("float64", [offset.length], offset)),
      };
      return conv2d({ x: conv.inputs.x, ...folded }, conv.attributes);
    },
  });

function known(value: Value): Tensor<"float64"> | undefined {
  return value.kind === "constant" ? toFloat64(value.tensor) : undefined;
}

/** Row c times gain[c], once somebody asks. */
function timesRows(weight: Constant["tensor"], gain: Float64Array): Tensor<"float64"> {
  let data: Float64Array | undefined;
  return {
    dtype: "float64",
    shape: weight.shape,
    get data() {
      data ??= productOf(weight.data, gain);
      return data;
    },
    ...(weight.dtype === "float32" && { scaled: { of: weight, gain } }),
  };
}

function productOf(weight: Float32Array | Float64Array, gain: Float64Array): Float64Array {
  const row = weight.length / gain.length;
  const data = new Float64Array(weight.length);
  for (let c = 0, i = 0; c < gain.length; c++) {
    const factor = gain[c]!;
    for (const end = i + row; i < end; i++) data[i] = weight[i]! * factor;
  }
  return data;
}
