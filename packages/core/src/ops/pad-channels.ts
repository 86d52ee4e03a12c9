import { checkWhole, defineOp, dims4, type Op, rank4 } from "../ir/define-op.ts";
import { sliceChannels } from "./slice-channels.ts";

export interface PadChannelsOptions {
  /** Channels of zeros in front. */
  readonly before?: number;
  /** Channels of zeros behind. */
  readonly after?: number;
}

export type PadChannelsAttributes = { readonly before: number; readonly after: number };

/**
 * Appends channels of zeros before and after the channels of x.
 *
 *   x [N, C, H, W]  ->  [N, before + C + after, H, W]
 * C1  x has rank 4.
 * C2  before and after are whole and at least 0.
 * Source: option A of He et al. 2015, section 4.2. Most PyTorch ports split the zeros evenly, fb.resnet.torch puts all
 * of them behind.
 */
export const padChannels: Op<"padChannels", "x", never, PadChannelsOptions, PadChannelsAttributes> = defineOp({
  name: "padChannels",
  inputs: { x: "data" },
  attributeKinds: { before: "number", after: "number" },
  attributes: ({ before = 0, after = 0 }: PadChannelsOptions): PadChannelsAttributes => ({ before, after }),
  shape({ x }, { before, after }) {
    const [n, c, h, w] = rank4(x, "padChannels.C1");
    checkWhole([before, after], 0, "padChannels.C2", "before and after");
    return [n, before + c + after, h, w];
  },
  evaluate({ x }, { before }, shape) {
    const [n, channels, h, w] = dims4(shape);
    const y = new Float64Array(n * channels * h * w);
    const size = x.data.length / n;
    for (let image = 0; image < n; image++) {
      y.set(x.data.subarray(image * size, (image + 1) * size), (image * channels + before) * h * w);
    }
    return y;
  },
  gradient: ({ attributes }, dy) => ({ x: sliceChannels({ x: dy }, attributes) }),
});
