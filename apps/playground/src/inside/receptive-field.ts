import { type AnyNode, type Graph, is, rolesOf, type Shape, type Value, valuesOf } from "@residual/core";

/** Rows or columns from `first` to `last`, both included; `last < first` holds none. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/** A rectangle of positions. */
export interface Region {
  readonly rows: Span;
  readonly columns: Span;
}

export interface ReceptiveField {
  /** The pixels of the network's input that a number depends on. */
  readonly region: Region;
  /** The field's size far from the border, in pixels; infinite after a global pool. */
  readonly height: number;
  readonly width: number;
}

const everything: Region = {
  rows: { first: -Infinity, last: Infinity },
  columns: { first: -Infinity, last: Infinity },
};
const nothing: Region = { rows: { first: 0, last: -1 }, columns: { first: 0, last: -1 } };

/**
 * The receptive field of one position of a node: the steps of Araujo, Norris and Sim, "Computing Receptive Fields of
 * Convolutional Neural Networks" (Distill 2019), walked backwards. `region` is cut to each value on the way. It is the
 * smallest rectangle of the pixels that the position reads, unless a window has gaps at a border (dilation, or a stride
 * larger than the window).
 */
export function receptiveField(graph: Graph, node: AnyNode, row: number, column: number): ReceptiveField {
  const point = { rows: { first: row, last: row }, columns: { first: column, last: column } };
  const endless = inputRegion(graph, node, point, (region) => region);
  return {
    region: inputRegion(graph, node, point, clipped),
    height: lengthOf(endless.rows),
    width: lengthOf(endless.columns),
  };
}

function inputRegion(
  graph: Graph,
  node: AnyNode,
  point: Region,
  cut: (region: Region, shape: Shape) => Region,
): Region {
  const regions = new Map<Value, Region>([[node, point]]);
  for (const value of valuesOf(graph).toReversed()) {
    const region = regions.get(value);
    if (value.kind !== "node" || !region || isEmpty(region)) continue;
    for (const [input, read] of readsOf(value, region))
      regions.set(input, union(regions.get(input) ?? nothing, cut(read, input.shape)));
  }
  const [image] = Object.values(graph.inputs);
  return regions.get(image!) ?? nothing;
}

const lengthOf = ({ first, last }: Span): number => last - first + 1;
const isEmpty = ({ rows, columns }: Region): boolean => lengthOf(rows) <= 0 || lengthOf(columns) <= 0;

function union(a: Region, b: Region): Region {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const over = (one: Span, other: Span): Span => ({
    first: Math.min(one.first, other.first),
    last: Math.max(one.last, other.last),
  });
  return { rows: over(a.rows, b.rows), columns: over(a.columns, b.columns) };
}

function clipped({ rows, columns }: Region, shape: Shape): Region {
  const [height, width] = shape.length === 4 ? [Number(shape[2]), Number(shape[3])] : [1, 1];
  const within = ({ first, last }: Span, size: number): Span => ({
    first: Math.max(first, 0),
    last: Math.min(last, size - 1),
  });
  return { rows: within(rows, height), columns: within(columns, width) };
}

/** The parts of a node's inputs that a part of its output reads. */
function readsOf(node: AnyNode, region: Region): readonly (readonly [Value, Region])[] {
  const window = windowOf(node);
  if (window) {
    const { residual } = node.inputs;
    return [[node.inputs.x!, slide(window, region)], ...(residual ? [[residual, region] as const] : [])];
  }
  const roles = rolesOf(node);
  const isWhole = is(node, "globalAveragePool") || is(node, "flatten");
  return Object.entries(node.inputs)
    .filter(([name]) => roles[name] === "data")
    .map(([, input]) => [input, isWhole || isGate(node, input) ? everything : region]);
}

/** A gate [N, C, 1, 1] is read at its only position. */
function isGate(node: AnyNode, input: Value): boolean {
  return is(node, "multiply") && input.shape.join() !== node.shape.join();
}

/** What a window reads along each axis: from position × stride − before, `reach` pixels. */
interface Window {
  readonly stride: readonly [number, number];
  readonly before: readonly [number, number];
  readonly reach: readonly [number, number];
}

function windowOf(node: AnyNode): Window | undefined {
  if (is(node, "conv2d") || is(node, "fusedConv2d")) {
    const { stride, padding, dilation } = node.attributes;
    const [, , kh = 1, kw = 1] = node.inputs.weight.shape.map(Number);
    const reach = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1] as const;
    return { stride, before: [padding[0], padding[1]], reach };
  }
  if (is(node, "maxPool2d")) {
    const { window, stride, padding } = node.attributes;
    return { stride, before: [padding[0], padding[1]], reach: window };
  }
  if (is(node, "averagePool2d")) return { ...node.attributes, before: [0, 0], reach: node.attributes.window };
  if (is(node, "subsample")) return { stride: node.attributes.stride, before: [0, 0], reach: [1, 1] };
  if (is(node, "zeroPad2d")) {
    const [top, left] = node.attributes.padding;
    return { stride: [1, 1], before: [top, left], reach: [1, 1] };
  }
  return undefined;
}

function slide({ stride, before, reach }: Window, { rows, columns }: Region): Region {
  const along = ({ first, last }: Span, axis: 0 | 1): Span => ({
    first: first * stride[axis] - before[axis],
    last: last * stride[axis] - before[axis] + reach[axis] - 1,
  });
  return { rows: along(rows, 0), columns: along(columns, 1) };
}
