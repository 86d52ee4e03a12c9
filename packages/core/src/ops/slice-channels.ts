import { checkWhole, defineOp, dims4, type Op, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";

export interface SliceChannelsOptions {
  /** Channels to drop in front. */
  readonly before?: number;
  /** Channels to drop behind. */
  readonly after?: number;
}

export type SliceChannelsAttributes = { readonly before: number; readonly after: number };

/**
 * x without its first and last channels: the gradient of padChannels.
 *
 *   x [N, C, H, W]  ->  [N, C − before − after, H, W]
 * C1  x has rank 4.
 * C2  before and after are whole and at least 0.
 * C3  at least one channel is left.
 * Source: PyTorch x[:, before:C − after], ONNX Slice.
 */
export const sliceChannels: Op<"sliceChannels", "x", never, SliceChannelsOptions, SliceChannelsAttributes> = defineOp({
  name: "sliceChannels",
  inputs: { x: "data" },
  attributeKinds: { before: "number", after: "number" },
  attributes: ({ before = 0, after = 0 }: SliceChannelsOptions): SliceChannelsAttributes => ({ before, after }),
  shape({ x }, { before, after }) {
    const [n, c, h, w] = rank4(x, "sliceChannels.C1");
    checkWhole([before, after], 0, "sliceChannels.C2", "before and after");
    check(before + after < c, "sliceChannels.C3", () => `${before} and ${after} channels of x ${formatShape(x)}`);
    return [n, c - before - after, h, w];
  },
  evaluate({ x }, { before }, shape) {
    const [n, channels, h, w] = dims4(shape);
    const y = new Float64Array(n * channels * h * w);
    const [all, kept] = [x.data.length / n, channels * h * w];
    for (let image = 0; image < n; image++) {
      const first = image * all + before * h * w;
      y.set(x.data.subarray(first, first + kept), image * kept);
    }
    return y;
  },
});
