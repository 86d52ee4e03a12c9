import { type CompositeOp, defineComposite, noAttributes, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { conv2dInputGradient } from "./conv2d-input-gradient.ts";
import { reshape } from "./reshape.ts";

/**
 * The gradient of linear with respect to x: dy · weight.
 *
 *   dy [N, O], weight [O, I]  ->  [N, I]
 * C1  dy has rank 2.
 * C2  weight is [O, I].
 * Composite: linear is a convolution of 1×1 pixels. Source: PyTorch Linear; ONNX Gemm without transposition.
 */
export const linearInputGradient: CompositeOp<"linearInputGradient", "dy" | "weight"> = defineComposite({
  name: "linearInputGradient",
  inputs: { dy: "data", weight: "weight" },
  ...noAttributes,
  check({ dy, weight }) {
    const [, outputs] = rank2(dy, "linearInputGradient.C1");
    rank2(weight, "linearInputGradient.C2");
    const expected = () => `weight ${formatShape(weight)} has ${weight[0]} outputs, dy has ${outputs}`;
    check(weight[0] === outputs, "linearInputGradient.C2", expected);
  },
  decompose({ dy, weight }) {
    const [outputs, inputs] = weight.shape as readonly [number, number];
    const image = reshape({ x: dy }, { shape: [-1, outputs, 1, 1] });
    const kernel = reshape({ x: weight }, { shape: [outputs, inputs, 1, 1] });
    return reshape({ x: conv2dInputGradient({ dy: image, weight: kernel }, { size: 1 }) }, { shape: [-1, inputs] });
  },
});
