import { sizeOf, type Tensor, tensorOf } from "@residual/core";
import type { Cut } from "./op-suite.ts";

/** The bias of output channel o alone. */
export function biasAt(bias: Tensor<"float32"> | undefined, o: number): Cut["inputs"] {
  return bias ? { bias: tensorOf("float32", [1], bias.data.slice(o, o + 1)) } : {};
}

type Span = readonly [from: number, to: number];

/** The rows and columns of the input under a window. They lie outside of the image where the window covers padding. */
export function fieldOf(
  [, , i = 0, j = 0]: readonly number[],
  [top, left]: readonly [number, number],
  stride: readonly [number, number],
  reach: readonly [number, number],
): readonly [rows: Span, columns: Span] {
  const [row, column] = [i * stride[0] - top, j * stride[1] - left];
  return [
    [row, row + reach[0]],
    [column, column + reach[1]],
  ];
}

/** A part of an image, and the padding that replaces the area outside of the image. */
export function cutImage(
  x: Tensor<"float32">,
  n: number,
  channels: Span,
  rows: Span,
  columns: Span,
): { readonly image: Tensor<"float32">; readonly padding: readonly [number, number, number, number] } {
  const [, c, h, w] = x.shape as [number, number, number, number];
  const [down, across] = [clip(rows, h), clip(columns, w)];
  const [top, bottom] = down.inside;
  const [left, right] = across.inside;
  const shape = [1, channels[1] - channels[0], bottom - top, right - left];
  const data = new Float32Array(sizeOf(shape));
  let to = 0;
  for (let channel = channels[0]; channel < channels[1]; channel++) {
    for (let row = top; row < bottom; row++, to += right - left) {
      const start = ((n * c + channel) * h + row) * w;
      data.set(x.data.subarray(start + left, start + right), to);
    }
  }
  const padding = [down.before, across.before, down.behind, across.behind] as const;
  return { image: tensorOf("float32", shape, data), padding };
}

/**
 * The part of a span that lies inside an axis, and the lengths before and behind it. A span outside of the axis counts
 * as before.
 */
function clip([from, to]: Span, size: number): { inside: Span; before: number; behind: number } {
  const [first, last] = [Math.max(from, 0), Math.min(to, size)];
  if (first >= last) return { inside: [0, 0], before: to - from, behind: 0 };
  return { inside: [first, last], before: first - from, behind: to - last };
}
