import { defineOp, dims4, type Op } from "../ir/define-op.ts";
import { maxPool2dGradient } from "./max-pool2d-gradient.ts";
import {
  type MaxPool2dAttributes,
  type MaxPool2dOptions,
  maxPool2dAttributes,
  maxPool2dShape,
} from "./shared/pooling.ts";

/**
 * The largest value under each window.
 *
 *   x [N, C, H, W]  ->  [N, C, OH, OW],   OH = ⌊(H + top + bottom − window) / stride⌋ + 1,  OW likewise
 * C1  x has rank 4.
 * C2  window and stride are whole and at least 1, padding whole, at least 0 and at most half of the window, so that
 *     every window sees a pixel.
 * C3  the window fits into the padded image at least once.
 * Padding reads as −∞. A window with a NaN gives NaN. In a tie the first pixel in row order gets the whole gradient.
 * Source: PyTorch MaxPool2d.
 */
export const maxPool2d: Op<"maxPool2d", "x", never, MaxPool2dOptions, MaxPool2dAttributes> = defineOp({
  name: "maxPool2d",
  inputs: { x: "data" },
  attributeKinds: { window: "pair", stride: "pair", padding: "sides" },
  attributes: maxPool2dAttributes,
  shape: ({ x }, attributes) => maxPool2dShape(x, attributes),
  evaluate({ x }, { window, stride, padding: [top, left] }, shape) {
    const [n, c, oh, ow] = dims4(shape);
    const [, , h, w] = dims4(x.shape);
    const y = new Float64Array(n * c * oh * ow);
    for (let to = 0, plane = 0; plane < n * c; plane++) {
      for (let i = 0; i < oh; i++) {
        for (let j = 0; j < ow; j++, to++) {
          const [row, column] = [i * stride[0] - top, j * stride[1] - left];
          let best = -Infinity;
          for (let p = Math.max(row, 0); p < Math.min(row + window[0], h); p++) {
            for (let q = Math.max(column, 0); q < Math.min(column + window[1], w); q++) {
              best = Math.max(best, x.data[(plane * h + p) * w + q]!);
            }
          }
          y[to] = best;
        }
      }
    }
    return y;
  },
  gradient: ({ inputs: { x }, attributes }, dy) => ({ x: maxPool2dGradient({ x, dy }, attributes) }),
});
