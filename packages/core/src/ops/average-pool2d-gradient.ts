import { type CompositeOp, checkWhole, defineComposite, type Pair, pair, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { tensorOf } from "../ir/tensor.ts";
import { constant, formatShape, type Value } from "../ir/value.ts";
import { conv2dInputGradient } from "./conv2d-input-gradient.ts";
import {
  type AveragePool2dAttributes,
  type AveragePool2dOptions,
  averagePool2dAttributes,
  averagePool2dShape,
} from "./shared/pooling.ts";
import { times } from "./times.ts";

export interface AveragePool2dGradientOptions extends AveragePool2dOptions {
  /** Height and width of the pool's input x; one number or [height, width]. */
  readonly size: Pair;
}

export type AveragePool2dGradientAttributes = AveragePool2dAttributes & { readonly size: readonly [number, number] };

/**
 * The gradient of averagePool2d: each pixel of x gets the dy of every window that sees it, divided by the number of
 * pixels that the window sees.
 *
 *   dy [N, C, OH, OW]  ->  [N, C, H, W],   [H, W] = size
 * C1  dy has rank 4.
 * C2  size is whole and at least 1.
 * C3  dy has the shape of averagePool2d's output for x, whose own constraints hold, under its labels.
 * Composite: averagePool2d is a convolution of each channel with a kernel of ones, divided by counts. Its cost is 0
 * multiply-adds, as the pool's. Source: PyTorch avg_pool2d_backward.
 */
export const averagePool2dGradient: CompositeOp<
  "averagePool2dGradient",
  "dy",
  never,
  AveragePool2dGradientOptions,
  AveragePool2dGradientAttributes
> = defineComposite({
  name: "averagePool2dGradient",
  inputs: { dy: "data" },
  attributeKinds: { window: "pair", stride: "pair", ceil: "flag", size: "pair" },
  attributes: ({ size, ...options }: AveragePool2dGradientOptions): AveragePool2dGradientAttributes => ({
    ...averagePool2dAttributes(options),
    size: pair(size),
  }),
  check({ dy }, { size, ...attributes }) {
    const [n, c] = rank4(dy, "averagePool2dGradient.C1");
    checkWhole(size, 1, "averagePool2dGradient.C2", "size");
    const y = averagePool2dShape([n, c, ...size], attributes);
    const expected = () => `dy is ${formatShape(dy)}, expected ${formatShape(y)} for x of ${size}`;
    check(dy.join() === y.join(), "averagePool2dGradient.C3", expected);
  },
  macs: () => 0,
  decompose({ dy }, { window, stride, size }) {
    const [, channels, oh, ow] = rank4(dy.shape, "averagePool2dGradient.C1");
    const beyond = (axis: 0 | 1, steps: number) => Math.max((steps - 1) * stride[axis] + window[axis] - size[axis], 0);
    const [bottom, right] = [beyond(0, oh), beyond(1, ow)];
    const isWhole = bottom === 0 && right === 0;
    const share = 1 / (window[0] * window[1]);
    const weight = constant(
      "kernel",
      tensorOf(
        "float64",
        [channels, 1, ...window],
        new Float64Array(channels * window[0] * window[1]).fill(isWhole ? share : 1),
      ),
    );
    const shared = isWhole ? dy : times({ a: dy, b: shares([oh, ow], { window, stride, size }) });
    return conv2dInputGradient(
      { dy: shared, weight },
      { stride, padding: [0, 0, bottom, right], groups: channels, size },
    );
  },
});

/** One divided by the number of pixels that each window sees, [1, 1, OH, OW]. */
function shares(
  [oh, ow]: readonly [number, number],
  { window, stride, size }: Pick<AveragePool2dGradientAttributes, "window" | "stride" | "size">,
): Value {
  const seen = (axis: 0 | 1, step: number) => Math.min(window[axis], size[axis] - step * stride[axis]);
  const data = Float64Array.from({ length: oh * ow }, (_, i) => 1 / (seen(0, Math.floor(i / ow)) * seen(1, i % ow)));
  return constant("shares", tensorOf("float64", [1, 1, oh, ow], data));
}
