import type { Dimension, ResNetSpec, Shape } from "@residual/core";
import { UsageError } from "./errors.ts";

/** `1x3x224x224`, with `N` for an open batch. Throws UsageError for anything else. */
function parseShape(text: string): Shape {
  const sizes = text.split(/[x×]/).map((size): Dimension => (size === "N" ? size : /^\d+$/.test(size) ? +size : 0));
  const whole = sizes.every((size, axis) => (size === "N" ? axis === 0 : Number.isSafeInteger(size) && size > 0));
  if (sizes.length !== 4 || !whole) {
    throw new UsageError(
      `${JSON.stringify(text)} is not a shape; write batch, channels, height and width as 1x3x224x224`,
    );
  }
  return sizes;
}

/** The shape of a model's input from the command line. Throws UsageError for one whose channels come last. */
export function parseInputShape(text: string, spec: ResNetSpec): Shape {
  const shape = parseShape(text);
  if (!hasChannelsLast(shape, spec)) return shape;
  const [n, h, w, c] = shape;
  throw new UsageError(`${text} has its channels last (NHWC); shapes are NCHW here: write ${[n, c, h, w].join("x")}`);
}

/** Whether a shape looks like NHWC: the second size is too large for channels, and the last is a number of channels. */
export function hasChannelsLast([, channels, , last]: Shape, { inputChannels = 3 }: ResNetSpec): boolean {
  if (channels === inputChannels) return false;
  return last === inputChannels || (Number(channels) > 4 && [1, 3, 4].includes(Number(last)));
}
