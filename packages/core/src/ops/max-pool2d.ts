import {
  checkWhole,
  defineOp,
  dims4,
  type Op,
  type Padding,
  type Pair,
  pair,
  rank4,
  sides,
  windowSteps,
} from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape, type Pads } from "../ir/value.ts";

export interface MaxPool2dOptions {
  /** Size in input pixels; one number or [height, width]. */
  readonly window: Pair;
  /** Step, in input pixels. Default: the window's size. */
  readonly stride?: Pair;
  /** Pixels of −∞ around the input; one number or [top, left, bottom, right]. */
  readonly padding?: Padding;
}

export type MaxPool2dAttributes = {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Pads;
};

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
  attributes: ({ window, stride = window, padding = 0 }: MaxPool2dOptions): MaxPool2dAttributes => ({
    window: pair(window),
    stride: pair(stride),
    padding: sides(padding),
  }),
  shape({ x }, { window, stride, padding }) {
    const [n, c, h, w] = rank4(x, "maxPool2d.C1");
    checkWhole([...window, ...stride], 1, "maxPool2d.C2", "window and stride");
    checkWhole(padding, 0, "maxPool2d.C2", "padding");
    const [top, left, bottom, right] = padding;
    const seen = Math.max(top, bottom) <= window[0] / 2 && Math.max(left, right) <= window[1] / 2;
    check(seen, "maxPool2d.C2", `padding ${padding} is more than half of window ${window}`);
    const oh = windowSteps(h, top, bottom, window[0], stride[0]);
    const ow = windowSteps(w, left, right, window[1], stride[1]);
    check(oh > 0 && ow > 0, "maxPool2d.C3", `window ${window} is larger than the padded x ${formatShape(x)}`);
    return [n, c, oh, ow];
  },
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
});
