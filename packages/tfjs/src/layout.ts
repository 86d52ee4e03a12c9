import { type Numbers, type NumbersReader, numbersReader, sizeOf } from "@residual/core";
import type { Layout, Weight } from "./program.ts";

/** The shape of a constant in a layout. */
export function shapeIn(layout: Layout, shape: readonly number[]): readonly number[] {
  const [first = 1, second = 1, height = 1, width = 1] = shape;
  switch (layout.kind) {
    case "plain":
      return shape;
    case "channels-last":
      return [first, height, width, second];
    case "kernel":
      return [height, width, second, first / layout.groups];
    case "depthwise":
      return [height, width, second * layout.groups, first / layout.groups];
    case "columns":
      return [height * width * second, first];
    case "stretch":
      return [first / layout.groups];
  }
}

/**
 * The numbers of a weight in its layout, in float32, rounded once. They are worked out from their source each time, since a tensor
 * that lies in a file, or that a norm is folded into, is not held. They go into `into`, which is as long as they are.
 */
export function layOut(
  { shape, layout, constant }: Weight,
  into: Float32Array = new Float32Array(sizeOf(shape)),
  read: NumbersReader = numbersReader(),
): Float32Array {
  place(into, read(constant.tensor), shapeOfRows(constant.shape), layout);
  return into;
}

/** A constant as rows along its first axis, each of `channels` stretches of `taps` numbers. */
interface Rows {
  readonly rows: number;
  readonly channels: number;
  readonly taps: number;
}

function shapeOfRows([rows = 1, channels = 1, ...rest]: readonly number[]): Rows {
  return { rows, channels, taps: sizeOf(rest) };
}

/** Where each stretch of numbers goes: taps of a kernel, or pixels, stand `step` apart. */
function place(target: Float32Array, { data, gain }: Numbers, { rows, channels, taps }: Rows, layout: Layout): void {
  const [begin, end] = rangeOf(layout, rows);
  const { at, step, factor } = destination(layout, { rows, channels, taps });
  for (let row = begin; row < end; row++) {
    const scale = (gain?.[row] ?? 1) * factor;
    for (let channel = 0; channel < channels; channel++) {
      let from = (row * channels + channel) * taps;
      let to = at(row - begin, channel);
      for (let tap = 0; tap < taps; tap++, to += step) target[to] = data[from++]! * scale;
    }
  }
}

/** The rows that a layout takes. */
function rangeOf(layout: Layout, rows: number): readonly [begin: number, end: number] {
  if (!("group" in layout)) return [0, rows];
  const each = rows / layout.groups;
  return [layout.group * each, (layout.group + 1) * each];
}

interface Destination {
  /** The index of the first number of a stretch. */
  readonly at: (row: number, channel: number) => number;
  readonly step: number;
  readonly factor: number;
}

function destination(layout: Layout, { rows, channels, taps }: Rows): Destination {
  switch (layout.kind) {
    case "plain":
    case "stretch":
      return { at: (row, channel) => (row * channels + channel) * taps, step: 1, factor: 1 };
    case "channels-last":
      return { at: (row, channel) => row * channels * taps + channel, step: channels, factor: 1 };
    case "columns":
      return { at: (row, channel) => channel * rows + row, step: channels * rows, factor: 1 };
    case "kernel": {
      const outputs = rows / layout.groups;
      return { at: (row, channel) => channel * outputs + row, step: channels * outputs, factor: 1 };
    }
    case "depthwise": {
      const outputs = rows / layout.groups;
      const at = (row: number, channel: number) => {
        const group = Math.floor(row / outputs);
        return (group * channels + channel) * outputs + (row % outputs);
      };
      return { at, step: channels * rows, factor: layout.factor };
    }
  }
}
