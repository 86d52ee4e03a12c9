import type { Preprocessing } from "@residual/core";
import type { Pixels } from "../pixels.ts";
import { type BothTaps, type Range, type Taps, usedBy } from "../taps.ts";
import { type Kernels, kernels } from "./kernels.ts";
import { mostPackedBytes, type PackedTaps, packedTaps } from "./packed-taps.ts";

/** How bytes become float32. */
export type Normalization = Pick<Preprocessing, "scale" | "mean" | "std" | "channels">;

/**
 * Bytes of a strip of the source, of the strips that are as wide as the target, and of a strip of the target. The first
 * and the last stay in a core's cache.
 */
const SOURCE_STRIP = 256 << 10;
const NARROW_STRIP = 4 << 20;
const TARGET_STRIP = 32 << 10;

/** The most bytes of taps. */
const MOST_TAPS = 4 << 20;

/** Bytes behind each part of the memory: a vector may end behind it. */
const ROOM = 16;

/** Where things lie in the kernels' memory during a picture, and how long their rows are, in bytes. */
interface Plan {
  readonly columns: PackedTaps;
  readonly rows: PackedTaps;
  /** Target rows whose source rows fit into the memory, each time. */
  readonly blocks: readonly Range[];
  readonly columnTaps: number;
  readonly rowTaps: number;
  readonly source: number;
  /** Columns of the source that are copied to `source`. */
  readonly sourceColumns: Range;
  readonly narrow: number;
  readonly narrowStride: number;
  readonly target: number;
  readonly targetStride: number;
  readonly planes: number;
}

/** The pixels that the taps make, `[rows, columns, 3]`; undefined where the kernels are missing or lack memory. */
export function resampleBySimd(pixels: Pixels, taps: BothTaps): Uint8Array | undefined {
  const code = kernels();
  const plan = code && planOf(code, pixels, taps);
  if (!plan) return undefined;
  const { target, targetStride } = plan;
  const data = new Uint8Array(taps.rows.start.length * targetStride);
  eachStrip(code, plan, pixels, taps, ({ from, end }) => {
    data.set(code.bytes.subarray(target, target + (end - from) * targetStride), from * targetStride);
  });
  return data;
}

/** The same, normalized to `image`, `[3, rows, columns]`. False where nothing was done. */
export function resampleToFloats(
  pixels: Pixels,
  taps: BothTaps,
  normalization: Normalization,
  image: Float32Array,
): boolean {
  const code = kernels();
  const plan = code && planOf(code, pixels, taps);
  if (!plan) return false;
  const width = taps.columns.start.length;
  eachStrip(code, plan, pixels, taps, ({ from, end }) => {
    const strip = { source: plan.target, count: (end - from) * width, planes: plan.planes };
    normalizeStrip(code, strip, normalization, image, from * width);
  });
  return true;
}

/** The same of taps that copy a part of the source. */
export function cutToFloats(
  { width, data }: Pixels,
  { columns, rows }: BothTaps,
  normalization: Normalization,
  image: Float32Array,
): boolean {
  const code = kernels();
  const bytes = 3 * columns.start.length;
  const step = targetRows(bytes);
  const planes = aligned(bytes * step + ROOM);
  if (!code?.reserve(planes + planesBytes(bytes * step))) return false;
  for (let first = 0; first < rows.start.length; first += step) {
    const count = Math.min(step, rows.start.length - first);
    for (let i = 0; i < count; i++) {
      const start = 3 * ((rows.start[0]! + first + i) * width + columns.start[0]!);
      code.bytes.set(data.subarray(start, start + bytes), i * bytes);
    }
    const strip = { source: 0, count: (count * bytes) / 3, planes };
    normalizeStrip(code, strip, normalization, image, (first * bytes) / 3);
  }
  return true;
}

/** `[n, 3]` bytes normalized to `image`, `[3, n]`. False where nothing was done. */
export function normalizeBySimd(data: Uint8Array, normalization: Normalization, image: Float32Array): boolean {
  const code = kernels();
  const planes = aligned(TARGET_STRIP + ROOM);
  if (!code?.reserve(planes + planesBytes(TARGET_STRIP))) return false;
  const step = Math.trunc(TARGET_STRIP / 3);
  for (let at = 0; at < data.length / 3; at += step) {
    const some = data.subarray(3 * at, 3 * (at + step));
    code.bytes.set(some);
    normalizeStrip(code, { source: 0, count: some.length / 3, planes }, normalization, image, at);
  }
  return true;
}

/** Undefined for a picture that takes more memory than is kept. */
function planOf(code: Kernels, pixels: Pixels, { columns, rows }: BothTaps): Plan | undefined {
  if (mostPackedBytes(columns) + mostPackedBytes(rows) > MOST_TAPS) return undefined;
  const packed = { columns: packedTaps(columns), rows: packedTaps(rows) };
  const sourceColumns = columnsToCopy(pixels, columns);
  const sourceStride = 3 * (sourceColumns.end - sourceColumns.from);
  const targetStride = 3 * columns.start.length;
  const narrowStride = aligned(targetStride + 1); // a pixel is stored with a fourth byte
  const blocks = blocksOf(rows, Math.trunc(NARROW_STRIP / narrowStride));
  const narrowRows = blocks.reduce((most, block) => Math.max(most, countOf(usedBy(rows, block))), 0);
  const targetBytes = targetStride * Math.min(rows.start.length, targetRows(targetStride));
  let end = 0;
  const place = (bytes: number): number => {
    const start = end;
    end += aligned(bytes + ROOM);
    return start;
  };
  const plan = {
    ...packed,
    blocks,
    columnTaps: place(packed.columns.bytes.length),
    rowTaps: place(packed.rows.bytes.length),
    source: place(sourceStride * sourceRows(sourceStride)),
    sourceColumns,
    narrow: place(narrowStride * (narrowRows + 4)), // rows are made in fours, and read in twos
    narrowStride,
    target: place(targetBytes),
    targetStride,
    planes: place(planesBytes(targetBytes)),
  };
  return code.reserve(end) ? plan : undefined;
}

/** The columns that the taps read, or all if those are most of them: whole rows are copied at once. */
function columnsToCopy({ width }: Pixels, columns: Taps): Range {
  const used = usedBy(columns, { from: 0, end: columns.start.length });
  return 2 * countOf(used) < width ? used : { from: 0, end: width };
}

/** Target rows in blocks that read at most `most` source rows each, and hold one row or more. */
function blocksOf(rows: Taps, most: number): readonly Range[] {
  const blocks: Range[] = [];
  const count = rows.start.length;
  for (let from = 0, end = 1; from < count; from = end++) {
    while (end < count && countOf(usedBy(rows, { from, end: end + 1 })) <= most) end++;
    blocks.push({ from, end });
  }
  return blocks;
}

const countOf = ({ from, end }: Range): number => end - from;
const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;
const sourceRows = (stride: number): number => Math.max(4, Math.trunc(SOURCE_STRIP / stride / 4) * 4);
const targetRows = (stride: number): number => Math.max(1, Math.trunc(TARGET_STRIP / stride));
/** Bytes of a plane of float32 for so many RGB bytes; of all three. */
const planeBytes = (bytes: number): number => aligned((bytes / 3) * 4);
const planesBytes = (bytes: number): number => 3 * planeBytes(bytes);

/** Makes the target strip by strip, each at `plan.target`. */
function eachStrip(code: Kernels, plan: Plan, pixels: Pixels, { rows }: BothTaps, take: (strip: Range) => void): void {
  const { columnTaps, rowTaps, narrow, narrowStride, target, targetStride } = plan;
  code.bytes.set(plan.columns.bytes, columnTaps);
  code.bytes.set(plan.rows.bytes, rowTaps);
  const step = targetRows(targetStride);
  for (const block of plan.blocks) {
    const used = usedBy(rows, block);
    makeNarrow(code, plan, pixels, used);
    const source = narrow - used.from * narrowStride;
    for (let from = block.from; from < block.end; from += step) {
      const end = Math.min(from + step, block.end);
      const taps = rowTaps + from * plan.rows.stride;
      code.run.columns(source, narrowStride, taps, plan.rows.stride, end - from, target, targetStride);
      take({ from, end });
    }
  }
}

/** Rows of the source, each made as wide as the target, at `plan.narrow`. */
function makeNarrow(code: Kernels, plan: Plan, pixels: Pixels, { from, end }: Range): void {
  const { columns, columnTaps, source, sourceColumns, narrow, narrowStride } = plan;
  const stride = 3 * countOf(sourceColumns);
  const width = plan.targetStride / 3;
  const step = sourceRows(stride);
  for (let y = from; y < end; y += step) {
    const count = Math.min(step, end - y);
    copyRows(code, plan, pixels, { from: y, end: y + count });
    const target = narrow + (y - from) * narrowStride;
    const first = source - 3 * sourceColumns.from;
    code.run.rows(first, stride, count, columnTaps, columns.stride, width, target, narrowStride);
  }
}

function copyRows(code: Kernels, plan: Plan, { width, data }: Pixels, { from, end }: Range): void {
  const { source, sourceColumns } = plan;
  const stride = 3 * countOf(sourceColumns);
  if (stride === 3 * width) code.bytes.set(data.subarray(from * stride, end * stride), source);
  else
    for (let y = from; y < end; y++) {
      const start = 3 * (y * width + sourceColumns.from);
      code.bytes.set(data.subarray(start, start + stride), source + (y - from) * stride);
    }
}

/** `count` RGB pixels in the kernels' memory, and room for their three planes there. */
interface Strip {
  readonly source: number;
  readonly count: number;
  readonly planes: number;
}

/** Pixels normalized to each plane of `image`, from `offset` on. */
function normalizeStrip(
  code: Kernels,
  { source, count, planes }: Strip,
  { scale, mean, std, channels }: Normalization,
  image: Float32Array,
  offset: number,
): void {
  const step = planeBytes(3 * count);
  const [first, second, third] = [planes, planes + step, planes + 2 * step];
  const [red, blue] = channels === "bgr" ? [third, first] : [first, third];
  code.run.normalize(source, count, red, second, blue, scale, ...triple(mean), ...triple(std));
  const plane = image.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    const start = (planes + channel * step) / 4;
    image.set(code.floats.subarray(start, start + count), channel * plane + offset);
  }
}

function triple([first, second, third]: readonly number[]): [number, number, number] {
  return [first!, second!, third!];
}
