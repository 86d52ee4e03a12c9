import type { Dimension, Shape } from "@residual/core";
import { UsageError } from "./errors.ts";

/** `1x3x224x224`, with `N` for an open batch. Throws UsageError for anything else. */
export function parseShape(text: string): Shape {
  const sizes = text.split(/[x×]/).map((size): Dimension => (size === "N" ? size : /^\d+$/.test(size) ? +size : 0));
  const whole = sizes.every((size, axis) => (size === "N" ? axis === 0 : Number.isSafeInteger(size) && size > 0));
  if (sizes.length !== 4 || !whole)
    throw new UsageError(`${JSON.stringify(text)} is no shape; write batch, channels, height and width as 1x3x224x224`);
  return sizes;
}
