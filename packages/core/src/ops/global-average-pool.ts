import { defineOp, dims4, noAttributes, type Op, rank4 } from "../ir/define-op.ts";
import { affine } from "./affine.ts";
import { expand } from "./expand.ts";
import { kept } from "./shared/broadcast.ts";

/**
 * The mean of each channel.
 *
 *   x [N, C, H, W]  ->  [N, C, 1, 1]
 * C1  x has rank 4.
 * Source: PyTorch AdaptiveAvgPool2d(1), ONNX GlobalAveragePool.
 */
export const globalAveragePool: Op<"globalAveragePool", "x"> = defineOp({
  name: "globalAveragePool",
  inputs: { x: "data" },
  ...noAttributes,
  shape({ x }) {
    const [n, c] = rank4(x, "globalAveragePool.C1");
    return [n, c, 1, 1];
  },
  evaluate({ x }, _, shape) {
    const [n, c] = dims4(shape);
    const pixels = x.data.length / (n * c);
    const y = new Float64Array(n * c);
    for (let plane = 0; plane < y.length; plane++) {
      let sum = 0;
      for (let i = plane * pixels; i < (plane + 1) * pixels; i++) sum += x.data[i]!;
      y[plane] = sum / pixels;
    }
    return y;
  },
  gradient({ inputs: { x } }, dy) {
    const [, , h, w] = rank4(x.shape, "globalAveragePool.C1");
    return { x: expand({ x: affine({ x: dy }, { factor: 1 / (h * w) }) }, { shape: kept(x.shape) }) };
  },
});
