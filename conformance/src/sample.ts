import { type AttributesOf, hashU32, type OpName, sizeOf, type Tensor, tensorOf } from "@residual/core";
import { isWinograd } from "./winograd.ts";

type Inputs = { readonly [input: string]: Tensor<"float32"> };

/** An op applied to little more than what one element of its output is made of. */
export interface Cut {
  readonly inputs: Inputs;
  readonly attributes: object;
  /** Where the element lies in the output, where there is more of it than that element: flat. */
  readonly at?: number;
}

type Cutter<Name extends OpName> = (inputs: Inputs, attributes: AttributesOf<Name>, index: readonly number[]) => Cut;

/**
 * Ops whose outputs are too many to be evaluated whole in float64 at a network's own sizes. The element's receptive field is
 * cut out, so that the op's own evaluation and bound do the rest: there is no second formula.
 */
const cutters: { readonly [Name in OpName]?: Cutter<Name> } = {
  conv2d: cutConvolution,
  fusedConv2d: (inputs, attributes, index) => {
    const cut = cutConvolution(inputs, attributes, index);
    return { ...cut, attributes: { ...cut.attributes, relu: attributes.relu } };
  },
  maxPool2d: ({ x }, { window, stride, padding: [top, left] }, index) => {
    const [rows, columns] = fieldOf(index, [top, left], stride, window);
    const { image, padding } = cutImage(x!, index[0]!, [index[1]!, index[1]! + 1], rows, columns);
    return { inputs: { x: image }, attributes: { window, stride: window, padding } };
  },
  averagePool2d: ({ x }, { window, stride }, index) => {
    const [rows, columns] = fieldOf(index, [0, 0], stride, window);
    const { image } = cutImage(x!, index[0]!, [index[1]!, index[1]! + 1], rows, columns);
    return { inputs: { x: image }, attributes: { window, stride: window, ceil: true } };
  },
  globalAveragePool: ({ x }, _, [n = 0, c = 0]) => {
    const [, , h, w] = x!.shape as [number, number, number, number];
    return { inputs: { x: cutImage(x!, n, [c, c + 1], [0, h], [0, w]).image }, attributes: {} };
  },
  linear: ({ x, weight, bias }, _, [n = 0, o = 0]) => {
    const features = weight!.shape[1]!;
    const row = (of: Tensor<"float32">, at: number) =>
      tensorOf("float32", [1, features], of.data.slice(at * features, (at + 1) * features));
    return { inputs: { x: row(x!, n), weight: row(weight!, o), ...biasAt(bias, o) }, attributes: {} };
  },
};

/** What one element is made of; undefined for an op whose elements are not worth cutting out. */
export function cutOut(op: OpName, inputs: Inputs, attributes: object, index: readonly number[]): Cut | undefined {
  const cutter: Cutter<never> | undefined = cutters[op];
  return cutter?.(inputs, attributes as never, index);
}

function cutConvolution(
  { x, weight, bias, residual }: Inputs,
  { stride, padding: [top, left], dilation, groups }: AttributesOf<"conv2d">,
  [n = 0, o = 0, i = 0, j = 0]: readonly number[],
): Cut {
  const [outputs, perGroup, kh, kw] = weight!.shape as [number, number, number, number];
  // Winograd's tiles reach over pixels that the element itself does not see, and its bound depends on them.
  const tile = isWinograd({ stride, dilation }, weight!) ? TILE : 1;
  const corner = [n, o, i - (i % tile), j - (j % tile)];
  const reach = [dilation[0] * (kh - 1) + tile, dilation[1] * (kw - 1) + tile] as const;
  const [rows, columns] = fieldOf(corner, [top, left], stride, reach);
  const first = Math.floor(o / (outputs / groups)) * perGroup;
  const { image, padding } = cutImage(x!, n, [first, first + perGroup], rows, columns);
  const length = perGroup * kh * kw;
  const kernel = tensorOf("float32", [1, perGroup, kh, kw], weight!.data.slice(o * length, (o + 1) * length));
  const at = (i % tile) * tile + (j % tile);
  const inputs = { x: image, weight: kernel, ...biasAt(bias, o), ...residualAt(residual, [n, o, i, j], tile, at) };
  return { inputs, attributes: { stride: [1, 1], padding, dilation, groups: 1 }, at };
}

/** A side that the tiles of F(2×2, 3×3) and of F(4×4, 3×3) both divide. */
const TILE = 4;

/** The element's own residual, and zeros around it. */
function residualAt(
  residual: Tensor<"float32"> | undefined,
  index: readonly number[],
  tile: number,
  at: number,
): Inputs {
  if (!residual) return {};
  const data = new Float32Array(tile * tile);
  data[at] = residual.data[index.reduce((flat, each, axis) => flat * residual.shape[axis]! + each, 0)]!;
  return { residual: tensorOf("float32", [1, 1, tile, tile], data) };
}

function biasAt(bias: Tensor<"float32"> | undefined, o: number): Inputs {
  return bias ? { bias: tensorOf("float32", [1], bias.data.slice(o, o + 1)) } : {};
}

type Span = readonly [from: number, to: number];

/** Rows and columns of the input under a window; outside of the image where there is padding. */
function fieldOf(
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

/** That part of an image, and the padding that makes up for what lies outside. */
function cutImage(x: Tensor<"float32">, n: number, channels: Span, rows: Span, columns: Span) {
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

/** The part of a span that lies inside of an axis, and how much lies before and behind; all before where none is inside. */
function clip([from, to]: Span, size: number): { inside: Span; before: number; behind: number } {
  const [first, last] = [Math.max(from, 0), Math.min(to, size)];
  if (first >= last) return { inside: [0, 0], before: to - from, behind: 0 };
  return { inside: [first, last], before: first - from, behind: to - last };
}

/** How many elements are drawn beside the corners. */
const DRAWN = 40;

/**
 * Flat indices of an output that are worth a look: the corners of the first and last plane, where padding, tails of tiles and
 * the end of a batch show, and some drawn from all over, the same each time.
 */
export function samplesOf(shape: readonly number[], seed: number): readonly number[] {
  const size = sizeOf(shape);
  if (size <= DRAWN) return Array.from({ length: size }, (_, i) => i);
  const ends = shape.map((length) => [0, length - 1]);
  const corners = ends.reduce<number[]>(
    (flat, pair, axis) => flat.flatMap((at) => pair.map((each) => at * shape[axis]! + each)),
    [0],
  );
  const drawn = Array.from({ length: DRAWN }, (_, k) => Math.floor((hashU32(seed, k) / 2 ** 32) * size));
  return [...new Set([...corners, ...drawn])].sort((a, b) => a - b);
}
