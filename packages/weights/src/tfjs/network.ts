import { type Pads, sizeOf } from "@residual/core";
import {
  inputsUnlike,
  isOp,
  MOST_NODES,
  type Network,
  NetworkBuilder,
  type NetworkPadding,
  type Operation,
  type Unlike,
  type Weight,
} from "../network/network.ts";
import {
  type Constant,
  changed,
  channelsFirst,
  type ImageLayout,
  layoutOf,
  type NamedValue,
} from "../network/values.ts";
import type { GraphNode } from "./model.ts";

type Computed = Extract<NamedValue, { kind: "computed" }>;
type Pair = readonly [number, number];

/**
 * Translates a graph model to core's ops, as `onnx/network.ts` does for an ONNX model. Source: tensorflow/core/ops, and
 * the op_list of tfjs-converter.
 */
export function networkOf(
  nodes: readonly GraphNode[],
  constants: ReadonlyMap<string, Pick<Constant, "shape" | "numbers">>,
): Network | Unlike {
  if (nodes.length > MOST_NODES) return { found: `${nodes.length} nodes`, expected: `at most ${MOST_NODES}` };
  const read = new Set(nodes.flatMap(inputsOf));
  const inputs = nodes.filter(({ op, name }) => op.startsWith("Placeholder") && read.has(name));
  const [image] = inputs;
  if (!image || inputs.length > 1) return inputsUnlike(inputs.map(({ name }) => name));
  return new Translator(nodes, constants).translate(image);
}

class Translator {
  readonly #builder = new NetworkBuilder();
  readonly #nodes: ReadonlyMap<string, GraphNode>;
  readonly #values = new Map<string, NamedValue>();
  readonly #uses = new Map<string, number>();

  constructor(nodes: readonly GraphNode[], constants: ReadonlyMap<string, Pick<Constant, "shape" | "numbers">>) {
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
    for (const [tensor, { shape, numbers }] of constants)
      this.#values.set(tensor, { kind: "constant", shape, weight: { tensor, shape, changes: [] }, numbers });
    for (const name of nodes.flatMap(inputsOf)) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  translate(input: GraphNode): Network {
    const shape = shapeOf(input.attr.shape);
    const layout = layoutOf(shape);
    const sizes = shape?.length === 4 ? channelsFirst(layout, shape) : undefined;
    const isChannelsLast = layout === "NHWC";
    const image = this.#builder.add("Placeholder", input.name, { op: "image", shape: sizes, isChannelsLast }, []);
    this.#values.set(input.name, { kind: "computed", node: image, layout });
    for (const node of inOrder(this.#nodes)) {
      const value = this.#values.has(node.name) ? undefined : this.#translate(node);
      if (value) this.#values.set(node.name, value);
    }
    const outputs = [...this.#nodes.keys()].flatMap((name) => {
      const value = this.#values.get(name);
      return value?.kind === "computed" && !this.#uses.has(name) ? [{ name, node: value.node }] : [];
    });
    return { image, nodes: this.#builder.nodes, outputs };
  }

  #translate(node: GraphNode): NamedValue | undefined {
    const view = new NodeView(node, this.#values);
    const data = view.computed(0);
    if (node.op === "Identity") return data ?? view.constant(0);
    return (data && this.#valueOf(view, data)) ?? this.#other(node);
  }

  #valueOf(view: NodeView, data: Computed): NamedValue | undefined {
    const { op } = view.node;
    if (op === "Transpose") return transposed(view, data);
    if (op === "Add" || op === "AddV2" || op === "Mul") {
      const other = view.computed(1);
      const isAlike = other && (other.layout === data.layout || op === "Mul");
      if (isAlike) return this.#add(view, { op: op === "Mul" ? "multiply" : "add" }, [data, other]);
      return op === "Mul" ? undefined : this.#withBias(view, data);
    }
    if (op === "BiasAdd") return this.#withBias(view, data);
    const fused = /^_?Fused(Conv2D|DepthwiseConv2dNative|MatMul)$/.exec(op);
    if (fused) return this.#fused(view, data, fused[1]!);
    const operation = rules[op]?.(view, data);
    return operation && this.#add(view, operation, [data], operation.op === "reshape" ? "NCHW" : data.layout);
  }

  /** A convolution or matrix product with a bias, which a ReLU may follow. */
  #fused(view: NodeView, data: Computed, operator: string): NamedValue | undefined {
    const fused = view.texts("fused_ops");
    const operation = rules[operator]?.(view, data);
    const bias = view.constant(2)?.weight;
    if (!operation || !("weight" in operation) || !bias || fused[0] !== "BiasAdd" || fused.length > 2) return undefined;
    const value = this.#add(view, { ...operation, bias }, [data]);
    if (fused[1] === undefined) return value;
    return fused[1] === "Relu" ? this.#add(view, { op: "relu" }, [value]) : undefined;
  }

  /** Adds a bias to a convolution or matrix product that has none, and whose output nothing else reads. */
  #withBias(view: NodeView, value: Computed): NamedValue | undefined {
    const { node } = value;
    const bias = view.constant(1)?.weight;
    const isOwn = this.#uses.get(view.inputs[0]!) === 1 && (isOp(node, "conv2d") || isOp(node, "linear"));
    if (!isOwn || !bias || node.operation.bias || bias.shape.length !== 1) return undefined;
    if (bias.shape[0] !== node.operation.weight.shape[0]) return undefined;
    node.operation = { ...node.operation, bias };
    return value;
  }

  #add(view: NodeView, operation: Operation, inputs: readonly Computed[], layout = inputs[0]!.layout): Computed {
    const nodes = inputs.map(({ node }) => node);
    return { kind: "computed", node: this.#builder.add(view.node.op, view.node.name, operation, nodes), layout };
  }

  #other(node: GraphNode): NamedValue | undefined {
    const values = inputsOf(node).flatMap((name) => this.#values.get(name) ?? []);
    const computed = values.filter((value) => value.kind === "computed");
    if (computed.length === 0 && node.op === "NoOp") return undefined;
    const other = this.#builder.add(
      node.op,
      node.name,
      { op: "other" },
      computed.map((value) => value.node),
    );
    return { kind: "computed", node: other, layout: computed[0]?.layout ?? "NCHW" };
  }
}

/** The names of a node's inputs: `name` or `name:0`. `^name` is a control dependency, and left out. */
function inputsOf({ input }: GraphNode): string[] {
  return input.filter((name) => !name.startsWith("^")).map((name) => name.replace(/:\d+$/, ""));
}

/** The nodes in topological order, found without recursion. Nodes on a cycle have an arbitrary position. */
function inOrder(nodes: ReadonlyMap<string, GraphNode>): GraphNode[] {
  const order: GraphNode[] = [];
  const begun = new Set<string>();
  const stack = [...nodes.values()].toReversed().map((node) => ({ node, isRead: false }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, isRead } = next;
    if (isRead) order.push(node);
    if (isRead || begun.has(node.name)) continue;
    begun.add(node.name);
    stack.push({ node, isRead: true });
    for (const name of inputsOf(node)) {
      const input = nodes.get(name);
      if (input && !begun.has(name)) stack.push({ node: input, isRead: false });
    }
  }
  return order;
}

/** A node with its input values and attributes. In the JSON, whole numbers are texts, and texts are base64. */
class NodeView {
  readonly node: GraphNode;
  readonly inputs: readonly string[];
  readonly #values: ReadonlyMap<string, NamedValue>;

  constructor(node: GraphNode, values: ReadonlyMap<string, NamedValue>) {
    this.node = node;
    this.inputs = inputsOf(node);
    this.#values = values;
  }

  computed(index: number): Computed | undefined {
    const value = this.#values.get(this.inputs[index] ?? "");
    return value?.kind === "computed" ? value : undefined;
  }

  constant(index: number): Constant | undefined {
    const value = this.#values.get(this.inputs[index] ?? "");
    return value?.kind === "constant" ? value : undefined;
  }

  text(name: string): string | undefined {
    const { s } = this.#attribute(name);
    return textOf(s);
  }

  texts(name: string): readonly (string | undefined)[] {
    const { list } = this.#attribute(name) as { readonly list?: { readonly s?: unknown } };
    return Array.isArray(list?.s) ? list.s.map(textOf) : [];
  }

  ints(name: string): readonly number[] | undefined {
    const { list } = this.#attribute(name) as { readonly list?: { readonly i?: unknown } };
    return Array.isArray(list?.i) ? list.i.map(Number) : undefined;
  }

  flag(name: string): boolean {
    return this.#attribute(name).b === true;
  }

  float(name: string, otherwise: number): number {
    const { f } = this.#attribute(name);
    return typeof f === "number" ? f : otherwise;
  }

  #attribute(name: string): Readonly<Record<string, unknown>> {
    const value = this.node.attr[name];
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return atob(value);
  } catch {
    return undefined;
  }
}

/** The sizes in a shape attribute. Negative sizes are not fixed, and become undefined. */
function shapeOf(attribute: unknown): readonly (number | undefined)[] | undefined {
  const { shape } = (attribute ?? {}) as { readonly shape?: { readonly dim?: unknown } };
  if (!Array.isArray(shape?.dim)) return undefined;
  return shape.dim.map((each: { readonly size?: unknown } | null) => {
    const size = Number(each?.size);
    return Number.isSafeInteger(size) && size > 0 ? size : undefined;
  });
}

function transposed(view: NodeView, data: Computed): Computed | undefined {
  const order = view.constant(1)?.numbers?.join();
  if (data.layout === "NCHW" && order === "0,2,3,1") return { ...data, layout: "NHWC" };
  return data.layout === "NHWC" && order === "0,3,1,2" ? { ...data, layout: "NCHW" } : undefined;
}

type Rule = (view: NodeView, data: Computed) => Operation | undefined;

/** Whether the images have the layout of the operator's attribute. */
function isAsRead(view: NodeView, layout: ImageLayout): boolean {
  return (view.text("data_format") ?? "NHWC") === layout;
}

const reshape: Rule = () => ({ op: "reshape" });

/** The rules for operators with one computed input; other inputs are constants. Undefined if core has no such op. */
const rules: { readonly [operator: string]: Rule } = {
  Relu: () => ({ op: "relu" }),
  Sigmoid: () => ({ op: "sigmoid" }),
  Softmax: () => ({ op: "softmax" }),
  LogSoftmax: () => ({ op: "softmax" }),
  Reshape: reshape,
  Squeeze: reshape,
  ExpandDims: reshape,
  Conv2D(view, { layout }) {
    const kernel = view.constant(1)?.weight;
    if (kernel?.shape.length !== 4) return undefined;
    return convolution(view, layout, changed(kernel, { order: [3, 2, 0, 1] }), 1);
  },
  DepthwiseConv2dNative(view, { layout }) {
    const kernel = view.constant(1)?.weight;
    if (kernel?.shape.length !== 4) return undefined;
    const [height, width, channels, multiplier] = kernel.shape as readonly [number, number, number, number];
    const apart = changed(kernel, { order: [2, 3, 0, 1] });
    const weight = apart && changed(apart, { shape: [channels * multiplier, 1, height, width] });
    return convolution(view, layout, weight, channels);
  },
  FusedBatchNormV3: (view, { layout }) => norm(view, layout),
  FusedBatchNorm: (view, { layout }) => norm(view, layout),
  MatMul(view) {
    const matrix = view.constant(1)?.weight;
    if (matrix?.shape.length !== 2 || view.flag("transpose_a")) return undefined;
    const weight = view.flag("transpose_b") ? matrix : changed(matrix, { order: [1, 0] });
    return weight && { op: "linear", weight };
  },
  MaxPool: (view, { layout }) => pool(view, layout, "maxPool2d"),
  AvgPool: (view, { layout }) => pool(view, layout, "averagePool2d"),
  Mean(view, { layout }) {
    const axes = view.constant(1)?.numbers?.map((axis) => (axis < 0 ? axis + 4 : axis));
    return axes?.toSorted().join() === (layout === "NHWC" ? "1,2" : "2,3") ? { op: "globalAveragePool" } : undefined;
  },
  Pad: (view, { layout }) => padded(view, layout),
  PadV2: (view, { layout }) => padded(view, layout),
  StridedSlice(view, { layout }) {
    const [begin, steps] = [view.constant(1)?.numbers, view.constant(3)?.numbers];
    const masks = ["new_axis_mask", "shrink_axis_mask", "ellipsis_mask"];
    const { end_mask: end } = view.node.attr as Readonly<Record<string, { readonly i?: unknown } | undefined>>;
    const isPlain = masks.every((mask) => Number((view.node.attr[mask] as { i?: unknown } | undefined)?.i ?? 0) === 0);
    if (steps?.length !== 4 || !isPlain || begin?.some(Boolean) || Number(end?.i ?? 0) !== 15) return undefined;
    const [n, c, down, right] = channelsFirst(layout, steps) as readonly [number, number, number, number];
    return n === 1 && c === 1 ? { op: "subsample", stride: [down, right], ends: [Infinity, Infinity] } : undefined;
  },
};

function convolution(
  view: NodeView,
  layout: ImageLayout,
  weight: Weight | undefined,
  groups: number,
): Operation | undefined {
  const [stride, dilation, padding] = [
    spatial(view, layout, "strides"),
    spatial(view, layout, "dilations"),
    paddingOf(view, layout),
  ];
  if (!isAsRead(view, layout) || !weight || !stride || !dilation || !padding) return undefined;
  return { op: "conv2d", weight, stride, dilation, padding, groups };
}

function norm(view: NodeView, layout: ImageLayout): Operation | undefined {
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((index) => view.constant(index)?.weight);
  if (!isAsRead(view, layout) || !scale || !shift || !mean || !variance || sizeOf(mean.shape) === 0) return undefined;
  return { op: "batchNorm", scale, shift, mean, variance, epsilon: view.float("epsilon", 1e-4) };
}

function pool(view: NodeView, layout: ImageLayout, op: "maxPool2d" | "averagePool2d"): Operation | undefined {
  const [window, stride, padding] = [
    spatial(view, layout, "ksize"),
    spatial(view, layout, "strides"),
    paddingOf(view, layout),
  ];
  if (!isAsRead(view, layout) || !window || !stride || !padding) return undefined;
  return { op, window, stride, padding, ceil: false, countsPadding: false };
}

/** The entries for height and width in a list with one entry per axis. */
function spatial(view: NodeView, layout: ImageLayout, name: string): Pair | undefined {
  const list = view.ints(name) ?? [1, 1, 1, 1];
  const [n, c, down, right] = channelsFirst(layout, list);
  return list.length === 4 && n === 1 && c === 1 && down! >= 1 && right! >= 1 ? [down!, right!] : undefined;
}

function paddingOf(view: NodeView, layout: ImageLayout): NetworkPadding | undefined {
  const padding = view.text("padding");
  if (padding === "SAME") return "same";
  if (padding === "VALID") return [0, 0, 0, 0];
  const pads = view.ints("explicit_paddings");
  return padding === "EXPLICIT" && pads?.length === 8 ? padsOf(layout, pads)?.spatial : undefined;
}

/** The padding before and after each axis of an image. */
function padsOf(layout: ImageLayout, list: readonly number[]): { spatial: Pads; channels: Pair } | undefined {
  const [before, after] = [0, 1].map((side) =>
    channelsFirst(
      layout,
      [0, 1, 2, 3].map((axis) => list[2 * axis + side]!),
    ),
  );
  const [n, front, top, left] = before as readonly [number, number, number, number];
  const [m, back, bottom, right] = after as readonly [number, number, number, number];
  return n === 0 && m === 0 ? { spatial: [top, left, bottom, right], channels: [front, back] } : undefined;
}

function padded(view: NodeView, layout: ImageLayout): Operation | undefined {
  const list = view.constant(1)?.numbers;
  const [value] = view.constant(2)?.numbers ?? [view.inputs.length > 2 ? Number.NaN : 0];
  const pads = list?.length === 8 ? padsOf(layout, list) : undefined;
  if (!pads || list!.some((pad) => pad < 0)) return undefined;
  const isSpatial = pads.spatial.some(Boolean);
  if (value === -Infinity)
    return pads.channels.some(Boolean) ? undefined : { op: "pad2d", padding: pads.spatial, value };
  if (value !== 0 || (isSpatial && pads.channels.some(Boolean))) return undefined;
  if (isSpatial) return { op: "pad2d", padding: pads.spatial, value };
  return { op: "padChannels", before: pads.channels[0], after: pads.channels[1] };
}
