import { checkWhole, type Padding, type Pair, pair, rank4, sides, windowSteps } from "../../ir/define-op.ts";
import { check } from "../../ir/errors.ts";
import { formatShape, type Pads, type Shape } from "../../ir/value.ts";

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

/** The canonical form of the options. */
export function maxPool2dAttributes({ window, stride = window, padding = 0 }: MaxPool2dOptions): MaxPool2dAttributes {
  return { window: pair(window), stride: pair(stride), padding: sides(padding) };
}

/** The shape of a max pool's output. Checks C1 to C3 of maxPool2d. */
export function maxPool2dShape(x: Shape, { window, stride, padding }: MaxPool2dAttributes): Shape {
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
}

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

/** The canonical form of the options. */
export function averagePool2dAttributes(options: AveragePool2dOptions): AveragePool2dAttributes {
  const { window, stride = window, ceil = false } = options;
  return { window: pair(window), stride: pair(stride), ceil };
}

/** The shape of an average pool's output. Checks C1 to C4 of averagePool2d. */
export function averagePool2dShape(x: Shape, { window, stride, ceil }: AveragePool2dAttributes): Shape {
  const [n, c, h, w] = rank4(x, "averagePool2d.C1");
  checkWhole([...window, ...stride], 1, "averagePool2d.C2", "window and stride");
  const covered = !ceil || (stride[0] <= window[0] && stride[1] <= window[1]);
  check(covered, "averagePool2d.C3", `stride ${stride} steps over pixels of window ${window} with ceil`);
  const round = ceil ? Math.ceil : Math.floor;
  const oh = Math.max(round((h - window[0]) / stride[0]), ceil ? 0 : -1) + 1;
  const ow = Math.max(round((w - window[1]) / stride[1]), ceil ? 0 : -1) + 1;
  check(oh > 0 && ow > 0, "averagePool2d.C4", `window ${window} is larger than x ${formatShape(x)}`);
  return [n, c, oh, ow];
}
