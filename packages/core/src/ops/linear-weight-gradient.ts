import { type CompositeOp, defineComposite, noAttributes, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { conv2dWeightGradient } from "./conv2d-weight-gradient.ts";
import { reshape } from "./reshape.ts";

/**
 * The gradient of linear with respect to its weight: dyᵀ · x.
 *
 *   x [N, I], dy [N, O]  ->  [O, I]
 * C1  x has rank 2.
 * C2  dy has rank 2 and the batch of x.
 * Composite: linear is a convolution of 1×1 pixels. Source: PyTorch Linear; ONNX Gemm with transA = 1.
 */
export const linearWeightGradient: CompositeOp<"linearWeightGradient", "x" | "dy"> = defineComposite({
  name: "linearWeightGradient",
  inputs: { x: "data", dy: "data" },
  ...noAttributes,
  check({ x, dy }) {
    const [n] = rank2(x, "linearWeightGradient.C1");
    rank2(dy, "linearWeightGradient.C2");
    check(dy[0] === n, "linearWeightGradient.C2", () => `dy is ${formatShape(dy)}, x is ${formatShape(x)}`);
  },
  decompose({ x, dy }) {
    const [inputs, outputs] = [x.shape[1] as number, dy.shape[1] as number];
    const image = reshape({ x }, { shape: [-1, inputs, 1, 1] });
    const gradient = reshape({ x: dy }, { shape: [-1, outputs, 1, 1] });
    return reshape(
      { x: conv2dWeightGradient({ x: image, dy: gradient }, { kernel: 1 }) },
      { shape: [outputs, inputs] },
    );
  },
});
