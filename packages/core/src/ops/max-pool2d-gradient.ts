import { defineOp, dims4, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import {
  type MaxPool2dAttributes,
  type MaxPool2dOptions,
  maxPool2dAttributes,
  maxPool2dShape,
} from "./shared/pooling.ts";

/**
 * The gradient of maxPool2d: each window's dy goes to its largest pixel, in a tie to the first in row order. A pixel
 * sums the gradients of all windows that it wins.
 *
 *   x [N, C, H, W], dy [N, C, OH, OW]  ->  [N, C, H, W]
 * C1  dy has the shape of maxPool2d's output for x, whose own constraints hold, under its labels.
 * Where a window holds a NaN, the first NaN wins in PyTorch and here; backends may differ. Source: PyTorch
 * max_pool2d_with_indices_backward.
 */
export const maxPool2dGradient: Op<"maxPool2dGradient", "x" | "dy", never, MaxPool2dOptions, MaxPool2dAttributes> =
  defineOp({
    name: "maxPool2dGradient",
    inputs: { x: "data", dy: "data" },
    attributeKinds: { window: "pair", stride: "pair", padding: "sides" },
    attributes: maxPool2dAttributes,
    shape({ x, dy }, attributes) {
      const y = maxPool2dShape(x, attributes);
      const expected = () => `dy is ${formatShape(dy)}, expected ${formatShape(y)} for x ${formatShape(x)}`;
      check(dy.join() === y.join(), "maxPool2dGradient.C1", expected);
      return x;
    },
    evaluate({ x, dy }, { window, stride, padding: [top, left] }) {
      const [n, c, h, w] = dims4(x.shape);
      const [, , oh, ow] = dims4(dy.shape);
      const dx = new Float64Array(x.data.length);
      for (let from = 0, plane = 0; plane < n * c; plane++) {
        for (let i = 0; i < oh; i++) {
          for (let j = 0; j < ow; j++, from++) {
            const [row, column] = [i * stride[0] - top, j * stride[1] - left];
            let [best, winner] = [-Infinity, -1];
            for (let p = Math.max(row, 0); p < Math.min(row + window[0], h); p++) {
              for (let q = Math.max(column, 0); q < Math.min(column + window[1], w); q++) {
                const at = (plane * h + p) * w + q;
                const value = x.data[at]!;
                const wins = winner < 0 || value > best || (Number.isNaN(value) && !Number.isNaN(best));
                if (wins) [best, winner] = [value, at];
              }
            }
            dx[winner]! += dy.data[from]!;
          }
        }
      }
      return dx;
    },
  });
