import { defineOp, dims4, type Op, rank4 } from "../ir/define-op.ts";
import { averagePool2dGradient } from "./average-pool2d-gradient.ts";
import {
  type AveragePool2dAttributes,
  type AveragePool2dOptions,
  averagePool2dAttributes,
  averagePool2dShape,
} from "./shared/pooling.ts";

/**
 * The mean of the pixels under each window; pixels outside the image do not count.
 *
 *   x [N, C, H, W]  ->  [N, C, OH, OW],   OH = ⌊(H − window) / stride⌋ + 1, or ⌈…⌉ + 1 with ceil;  OW likewise
 * C1  x has rank 4.
 * C2  window and stride are whole and at least 1.
 * C3  with ceil, stride is at most the window, so that every window sees a pixel.
 * C4  the window fits into the image at least once (with ceil, the image may be smaller).
 * Source: PyTorch AvgPool2d with count_include_pad=False; timm's shortcut of the "d" variants (He et al. 2019, figure
 * 2c).
 */
export const averagePool2d: Op<"averagePool2d", "x", never, AveragePool2dOptions, AveragePool2dAttributes> = defineOp({
  name: "averagePool2d",
  inputs: { x: "data" },
  attributeKinds: { window: "pair", stride: "pair", ceil: "flag" },
  attributes: averagePool2dAttributes,
  shape: ({ x }, attributes) => averagePool2dShape(x, attributes),
  evaluate({ x }, { window, stride }, shape) {
    const [n, c, oh, ow] = dims4(shape);
    const [, , h, w] = dims4(x.shape);
    const y = new Float64Array(n * c * oh * ow);
    for (let to = 0, plane = 0; plane < n * c; plane++) {
      for (let i = 0; i < oh; i++) {
        for (let j = 0; j < ow; j++, to++) {
          const [row, column] = [i * stride[0], j * stride[1]];
          const [bottom, right] = [Math.min(row + window[0], h), Math.min(column + window[1], w)];
          let sum = 0;
          for (let p = row; p < bottom; p++) {
            for (let q = column; q < right; q++) sum += x.data[(plane * h + p) * w + q]!;
          }
          y[to] = sum / ((bottom - row) * (right - column));
        }
      }
    }
    return y;
  },
  gradient({ inputs: { x }, attributes }, dy) {
    const [, , ...size] = rank4(x.shape, "averagePool2d.C1");
    return { x: averagePool2dGradient({ dy }, { ...attributes, size }) };
  },
});
