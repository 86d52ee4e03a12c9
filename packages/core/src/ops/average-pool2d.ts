import { checkWhole, defineOp, dims4, type Op, type Pair, pair, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";

export interface AveragePool2dOptions {
  /** Size in input pixels; one number or [height, width]. */
  readonly window: Pair;
  /** Step, in input pixels. Default: the window's size. */
  readonly stride?: Pair;
  /**
   * Whether to keep a last window that extends beyond the bottom or right, averaged over the pixels inside the image.
   */
  readonly ceil?: boolean;
}

export type AveragePool2dAttributes = {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly ceil: boolean;
};

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
  attributes: ({ window, stride = window, ceil = false }: AveragePool2dOptions): AveragePool2dAttributes => ({
    window: pair(window),
    stride: pair(stride),
    ceil,
  }),
  shape({ x }, { window, stride, ceil }) {
    const [n, c, h, w] = rank4(x, "averagePool2d.C1");
    checkWhole([...window, ...stride], 1, "averagePool2d.C2", "window and stride");
    const covered = !ceil || (stride[0] <= window[0] && stride[1] <= window[1]);
    check(covered, "averagePool2d.C3", `stride ${stride} steps over pixels of window ${window} with ceil`);
    const round = ceil ? Math.ceil : Math.floor;
    const oh = Math.max(round((h - window[0]) / stride[0]), ceil ? 0 : -1) + 1;
    const ow = Math.max(round((w - window[1]) / stride[1]), ceil ? 0 : -1) + 1;
    check(oh > 0 && ow > 0, "averagePool2d.C4", `window ${window} is larger than x ${formatShape(x)}`);
    return [n, c, oh, ow];
  },
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
});
