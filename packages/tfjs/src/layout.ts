import {
  isTensor,
  type RealArray,
  type RowRange,
  readRows,
  rowSize,
  rowsIn,
  type Source,
  sizeOf,
} from "@residual/core";
import type { OperatorLayout, Weight } from "./program.ts";

/** The shape of a constant in a layout. */
export function shapeIn(layout: OperatorLayout, shape: readonly number[]): readonly number[] {
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
    case "turned-kernel":
      return [height, width, first / layout.groups, second];
    case "turned-depthwise":
      return [height, width, first, second];
    case "columns":
      return [height * width * second, first];
    case "vector":
      return [first / layout.groups];
  }
}

/**
 * Writes the numbers of a weight in their layout, in float32, rounded once. Lazy sources are read in pieces, through
 * `buffer`. `target` returns the memory to write to, which has the weight's length. It is called anew after each wait,
 * since the memory of an engine may have moved.
 */
export async function copyToLayout(
  { layout, source }: Weight,
  target: () => Float32Array,
  buffer: RowBuffer = new RowBuffer(),
): Promise<void> {
  const { group, groups } = "group" in layout ? layout : { group: 0, groups: 1 };
  const taken = rowsIn(source) / groups;
  const range = { first: group * taken, end: (group + 1) * taken };
  const steps = stepsOf(layout, source.shape);
  for await (const { data, rows } of buffer.pieces(source, range)) {
    place(target(), data, { first: rows.first - range.first, end: rows.end - range.first }, steps);
  }
}

interface Piece {
  readonly rows: RowRange;
  readonly data: RealArray;
}

/** Numbers of a lazy source read at a time, at least one row: 1 MiB stays in a core's cache. */
const NUMBERS_AT_A_TIME = 2 ** 18;

/** Reused memory for the rows of one source after another. */
export class RowBuffer {
  #memory = new Float32Array(0);

  /** Some rows of a source, in pieces. A piece is valid until the next is requested. */
  async *pieces(source: Source, { first, end }: RowRange): AsyncGenerator<Piece> {
    const row = rowSize(source);
    if (isTensor(source)) {
      yield { rows: { first, end }, data: source.data.subarray(first * row, end * row) };
      return;
    }
    const count = Math.max(Math.floor(NUMBERS_AT_A_TIME / row), 1);
    for (let from = first; from < end; from += count) {
      const rows = { first: from, end: Math.min(from + count, end) };
      const length = (rows.end - rows.first) * row;
      if (this.#memory.length < length) this.#memory = new Float32Array(Math.max(length, NUMBERS_AT_A_TIME));
      const data = this.#memory.subarray(0, length);
      await readRows(source, data, rows);
      yield { rows, data };
    }
  }
}

/**
 * A source as rows of `channels` times `taps` numbers, with the distances in the layout between neighbouring rows,
 * channels and taps. Each `rowsPerGroup` rows form a group, and groups begin `group` numbers apart.
 */
interface Steps {
  readonly channels: number;
  readonly taps: number;
  readonly row: number;
  readonly channel: number;
  readonly tap: number;
  /** The position of the first number. */
  readonly start: number;
  readonly group: number;
  readonly rowsPerGroup: number;
  readonly factor: number;
}

function stepsOf(layout: OperatorLayout, [rows = 1, channels = 1, ...rest]: readonly number[]): Steps {
  const taps = sizeOf(rest);
  const whole = { channels, taps, rowsPerGroup: rows, start: 0, group: 0, factor: 1 };
  const turned = (outputs: number) => {
    const tap = channels * outputs;
    return { ...whole, row: channels, channel: 1, tap: -tap, start: (taps - 1) * tap };
  };
  switch (layout.kind) {
    case "plain":
    case "vector":
      return { ...whole, row: channels * taps, channel: taps, tap: 1 };
    case "channels-last":
      return { ...whole, row: channels * taps, channel: 1, tap: channels };
    case "columns":
      return { ...whole, row: 1, channel: rows, tap: channels * rows };
    case "kernel": {
      const outputs = rows / layout.groups;
      return { ...whole, row: 1, channel: outputs, tap: channels * outputs };
    }
    case "turned-kernel":
      return turned(rows / layout.groups);
    case "turned-depthwise":
      return { ...turned(rows), factor: layout.factor };
    case "depthwise": {
      const outputs = rows / layout.groups;
      const apart = { rowsPerGroup: outputs, group: channels * outputs, factor: layout.factor };
      return { ...whole, ...apart, row: 1, channel: outputs, tap: channels * rows };
    }
  }
}

/** The number of rows in a cache line: if rows of a layout are adjacent, whole lines are written at a time. */
const ROWS_OF_A_BLOCK = 16;

/** Writes rows to their positions. `data` begins with the first row. */
function place(target: Float32Array, data: RealArray, { first, end }: RowRange, steps: Steps): void {
  const { channels, taps, row, channel, tap, start, group, rowsPerGroup, factor } = steps;
  const size = channels * taps;
  for (let begin = first; begin < end; ) {
    const within = begin % rowsPerGroup;
    const count = Math.min(ROWS_OF_A_BLOCK, end - begin, rowsPerGroup - within);
    const write = start + Math.floor(begin / rowsPerGroup) * group + within * row;
    const read = (begin - first) * size;
    for (let i = 0; i < size; i++) {
      let from = read + i;
      let to = write + Math.floor(i / taps) * channel + (i % taps) * tap;
      for (let last = from + count * size; from < last; from += size, to += row) target[to] = data[from]! * factor;
    }
    begin += count;
  }
}
