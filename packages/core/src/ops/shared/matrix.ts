import { dims4 } from "../../ir/define-op.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { Pads } from "../../ir/value.ts";

/** Geometry of sliding windows. The attributes of a convolution fit. */
interface Windows {
  readonly stride: readonly [number, number];
  readonly padding: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/**
 * y = a · bᵀ, all row-major: a [rows, inner], b [columns, inner], y [rows, columns]. Each element is summed in the
 * order of `inner`, in one accumulator. Tiles of 4 × 2 keep eight sums in registers: six loads for eight multiply-adds,
 * since V8 neither vectorizes nor fuses. Destructured arrays inside the tile take eight times as long.
 */
export function multiplyTransposed(
  y: Float64Array,
  a: Float64Array,
  b: Float64Array,
  rows: number,
  columns: number,
  inner: number,
): void {
  const [evenRows, evenColumns] = [rows - (rows % 4), columns - (columns % 2)];
  for (let column = 0; column < evenColumns; column += 2) {
    for (let row = 0; row < evenRows; row += 4) tile4x2(y, a, b, row, column, columns, inner);
  }
  for (let row = 0; row < rows; row++) {
    let column = row < evenRows ? evenColumns : 0;
    for (; column + 4 <= columns; column += 4) tile1x4(y, a, b, row, column, columns, inner);
    for (; column < columns; column++) y[row * columns + column] = dot(a, b, row * inner, column * inner, inner);
  }
}

function tile4x2(
  y: Float64Array,
  a: Float64Array,
  b: Float64Array,
  row: number,
  column: number,
  columns: number,
  inner: number,
): void {
  let s00 = 0;
  let s01 = 0;
  let s10 = 0;
  let s11 = 0;
  let s20 = 0;
  let s21 = 0;
  let s30 = 0;
  let s31 = 0;
  const a0 = row * inner;
  const a1 = a0 + inner;
  const a2 = a1 + inner;
  const a3 = a2 + inner;
  const b0 = column * inner;
  const b1 = b0 + inner;
  for (let k = 0; k < inner; k++) {
    const x0 = b[b0 + k]!;
    const x1 = b[b1 + k]!;
    const w0 = a[a0 + k]!;
    const w1 = a[a1 + k]!;
    const w2 = a[a2 + k]!;
    const w3 = a[a3 + k]!;
    s00 += w0 * x0;
    s01 += w0 * x1;
    s10 += w1 * x0;
    s11 += w1 * x1;
    s20 += w2 * x0;
    s21 += w2 * x1;
    s30 += w3 * x0;
    s31 += w3 * x1;
  }
  const at = row * columns + column;
  y[at] = s00;
  y[at + 1] = s01;
  y[at + columns] = s10;
  y[at + columns + 1] = s11;
  y[at + 2 * columns] = s20;
  y[at + 2 * columns + 1] = s21;
  y[at + 3 * columns] = s30;
  y[at + 3 * columns + 1] = s31;
}

/** Four sums at a time, since one alone waits for each of its additions. */
function tile1x4(
  y: Float64Array,
  a: Float64Array,
  b: Float64Array,
  row: number,
  column: number,
  columns: number,
  inner: number,
): void {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const a0 = row * inner;
  const b0 = column * inner;
  const b1 = b0 + inner;
  const b2 = b1 + inner;
  const b3 = b2 + inner;
  for (let k = 0; k < inner; k++) {
    const w = a[a0 + k]!;
    s0 += w * b[b0 + k]!;
    s1 += w * b[b1 + k]!;
    s2 += w * b[b2 + k]!;
    s3 += w * b[b3 + k]!;
  }
  const at = row * columns + column;
  y[at] = s0;
  y[at + 1] = s1;
  y[at + 2] = s2;
  y[at + 3] = s3;
}

function dot(a: Float64Array, b: Float64Array, a0: number, b0: number, inner: number): number {
  let sum = 0;
  for (let k = 0; k < inner; k++) sum += a[a0 + k]! * b[b0 + k]!;
  return sum;
}

/**
 * The patch under each window of one image and group, one row per window: [OH·OW, C/groups·KH·KW]. Padding reads as 0.
 */
export function imageRows(
  rows: Float64Array,
  x: Tensor<"float64">,
  weightShape: readonly number[],
  { stride, padding: [top, left], dilation, groups }: Windows,
  image: number,
  group: number,
  [oh, ow]: readonly [number, number],
): void {
  const [, perGroup, kh, kw] = dims4(weightShape);
  const [, , h, w] = dims4(x.shape);
  const first = (image * groups + group) * perGroup * h * w;
  const [down, right, stepDown, stepRight] = [stride[0], stride[1], dilation[0], dilation[1]];
  const data = x.data;
  let to = 0;
  for (let i = 0; i < oh; i++) {
    for (let j = 0; j < ow; j++) {
      for (let c = 0; c < perGroup; c++) {
        for (let p = 0; p < kh; p++) {
          const row = i * down - top + p * stepDown;
          const line = first + (c * h + row) * w;
          const inside = row >= 0 && row < h;
          for (let q = 0; q < kw; q++) {
            const column = j * right - left + q * stepRight;
            rows[to++] = inside && column >= 0 && column < w ? data[line + column]! : 0;
          }
        }
      }
    }
  }
}

/** Rows of a row-major matrix, transposed: [rows, columns] from row `first` on becomes [columns, rows]. */
export function transposed(data: Float64Array, first: number, rows: number, columns: number): Float64Array {
  const turned = new Float64Array(rows * columns);
  for (let row = 0, from = first * columns; row < rows; row++) {
    for (let to = row; to < turned.length; to += rows, from++) turned[to] = data[from]!;
  }
  return turned;
}

/**
 * The transpose of `imageRows`: adds each row to the pixels of the patch under its window. What lies in the padding is
 * dropped.
 */
export function addImageRows(
  image: Float64Array,
  rows: Float64Array,
  { shape, weightShape }: { readonly shape: readonly number[]; readonly weightShape: readonly number[] },
  { stride, padding: [top, left], dilation, groups }: Windows,
  index: number,
  group: number,
  [oh, ow]: readonly [number, number],
): void {
  const [, perGroup, kh, kw] = dims4(weightShape);
  const [, , h, w] = dims4(shape);
  const first = (index * groups + group) * perGroup * h * w;
  const [down, right, stepDown, stepRight] = [stride[0], stride[1], dilation[0], dilation[1]];
  let from = 0;
  for (let i = 0; i < oh; i++) {
    for (let j = 0; j < ow; j++) {
      for (let c = 0; c < perGroup; c++) {
        for (let p = 0; p < kh; p++) {
          const row = i * down - top + p * stepDown;
          const line = first + (c * h + row) * w;
          const inside = row >= 0 && row < h;
          for (let q = 0; q < kw; q++, from++) {
            const column = j * right - left + q * stepRight;
            if (inside && column >= 0 && column < w) image[line + column]! += rows[from]!;
          }
        }
      }
    }
  }
}
