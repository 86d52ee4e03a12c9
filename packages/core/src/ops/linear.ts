import { defineOp, noAttributes, type Op, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { formatShape } from "../ir/value.ts";
import { channelSum } from "./channel-sum.ts";
import { linearInputGradient } from "./linear-input-gradient.ts";
import { linearWeightGradient } from "./linear-weight-gradient.ts";
import { multiplyTransposed } from "./shared/matrix.ts";

/**
 * A fully connected layer: x · weightᵀ + bias.
 *
 *   x [N, I], weight [O, I], bias [O]  ->  [N, O]
 * C1  x has rank 2.
 * C2  weight is [O, I].
 * C3  bias, if given, has shape [O].
 * Source: PyTorch Linear, ONNX Gemm with transB = 1.
 */
export const linear: Op<"linear", "x" | "weight", "bias"> = defineOp({
  name: "linear",
  inputs: { x: "data", weight: "weight" },
  optional: { bias: "bias" },
  ...noAttributes,
  shape({ x, weight, bias }) {
    const [n, features] = rank2(x, "linear.C1");
    const [outputs, expected] = rank2(weight, "linear.C2");
    check(
      expected === features,
      "linear.C2",
      `weight ${formatShape(weight)} expects ${expected} features, x has ${features}`,
    );
    const fits = bias === undefined || (bias.length === 1 && bias[0] === outputs);
    check(fits, "linear.C3", `bias is ${bias && formatShape(bias)}, expected ${outputs}`);
    return [n, outputs];
  },
  evaluate({ x, weight, bias }, _, shape) {
    const [n = 0, outputs = 0] = shape;
    const y = new Float64Array(n * outputs);
    multiplyTransposed(y, x.data, weight.data, n, outputs, weight.data.length / outputs);
    if (bias) for (let i = 0; i < y.length; i++) y[i]! += bias.data[i % outputs]!;
    return y;
  },
  macs({ weight }, _, shape) {
    const [, features] = rank2(weight, "linear.C2");
    return features * sizeOf(shape);
  },
  gradient({ inputs: { x, weight, bias } }, dy) {
    return {
      x: linearInputGradient({ dy, weight }),
      weight: linearWeightGradient({ x, dy }),
      bias: bias && channelSum({ x: dy }),
    };
  },
});
