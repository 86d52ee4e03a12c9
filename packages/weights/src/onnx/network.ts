import { quote } from "../json-reader.ts";
import {
  inputsUnlike,
  isOp,
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
  vectorOf,
} from "../network/values.ts";
import { type OnnxAttribute, type OnnxModel, type OnnxNode, typeName } from "./model.ts";

/** A tensor of the file: its shape, and its numbers if there are few. */
export type KnownConstant = Pick<Constant, "shape" | "numbers">;

/** The name under which the fill value of a ConstantOfShape node is stored. */
export function fillOf(output: string): string {
  return `${output} (value)`;
}

type Pair = readonly [number, number];
type Computed = Extract<NamedValue, { kind: "computed" }>;

/**
 * Translates a model's graph to core's ops. Nodes that change no numbers are removed: Identity, Dropout, a Cast between
 * floats, a Transpose to another image layout. A node without a counterpart in core becomes `other`. Undefined if the
 * model has no nodes. Source: github.com/onnx/onnx, docs/Operators.md.
 */
export function networkOf(
  model: OnnxModel,
  constants: ReadonlyMap<string, KnownConstant>,
): Network | Unlike | undefined {
  if (model.nodes.length === 0) return undefined;
  const given = new Set([...constants.keys(), ...model.tensors.map(({ name }) => name)]);
  const read = new Set(model.nodes.flatMap(({ inputs }) => inputs));
  const inputs = model.inputs.filter(({ name }) => read.has(name) && !given.has(name));
  const [image] = inputs;
  if (!image || inputs.length > 1) return inputsUnlike(inputs.map(({ name }) => name));
  if (image.type !== undefined && !floatTypes.includes(image.type))
    return { found: `the input ${quote(image.name)} of ${typeName(image.type)}`, expected: "float32" };
  return new Translator(model, constants).translate(image.name, image.shape);
}

class Translator {
  readonly #builder = new NetworkBuilder();
  readonly #values = new Map<string, NamedValue>();
  readonly #model: OnnxModel;
  readonly #uses = new Map<string, number>();

  constructor(model: OnnxModel, constants: ReadonlyMap<string, KnownConstant>) {
    this.#model = model;
    for (const [tensor, { shape, numbers }] of constants)
      this.#values.set(tensor, { kind: "constant", shape, weight: { tensor, shape, changes: [] }, numbers });
    const used = [...model.nodes.flatMap(({ inputs }) => inputs), ...model.outputs];
    for (const name of used) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  translate(name: string, shape: readonly (number | undefined)[] | undefined): Network {
    const layout = layoutOf(shape);
    const sizes = shape?.length === 4 ? channelsFirst(layout, shape) : undefined;
    const image = this.#builder.add(
      "input",
      name,
      { op: "image", shape: sizes, isChannelsLast: layout === "NHWC" },
      [],
    );
    this.#values.set(name, { kind: "computed", node: image, layout });
    for (const node of this.#model.nodes) this.#translate(node);
    const outputs = this.#model.outputs.map((name) => {
      const value = this.#values.get(name);
      return { name, node: value?.kind === "computed" ? value.node : undefined };
    });
    return { image, nodes: this.#builder.nodes, outputs };
  }

  #translate(node: OnnxNode): void {
    const [output] = node.outputs;
    if (!output || this.#values.has(output)) return; // the output of a Constant node, which is known already
    const view = new NodeView(node, this.#values);
    const value = node.domain === "" ? this.#valueOf(view) : undefined;
    if (value) this.#values.set(output, value);
    else this.#other(view);
  }

  /** The value of a node; undefined if core has no such op. */
  #valueOf(view: NodeView): NamedValue | undefined {
    const { operator } = view.node;
    const data = view.computed(0);
    if (!data) return constantRules[operator]?.(view) ?? this.#ofTwo(view);
    if (isTransparent(view)) return data;
    const layout = operator === "Transpose" ? transposed(data.layout, view.ints("perm")) : undefined;
    if (layout) return { ...data, layout };
    if (operator === "Add" || operator === "Sum" || operator === "Mul") return this.#ofTwo(view);
    const operation = rules[operator]?.(view, data);
    if (!operation) return undefined;
    const isAlias = "alias" in operation;
    if (isAlias) return data;
    return this.#add(view, operation, [data], operation.op === "reshape" ? "NCHW" : data.layout);
  }

  /** A sum or product of two values, or the addition of a bias. */
  #ofTwo(view: NodeView): NamedValue | undefined {
    const { operator, inputs } = view.node;
    const op = operator === "Mul" ? "multiply" : operator === "Add" || operator === "Sum" ? "add" : undefined;
    if (!op || inputs.length !== 2) return undefined;
    const [a, b] = [view.computed(0), view.computed(1)];
    if (a && b) {
      const isPooled = a.layout === b.layout || op === "multiply"; // a gate has one pixel: both layouts are the same
      return isPooled ? this.#add(view, { op }, [a, b], a.layout) : undefined;
    }
    const [value, bias] = [a ?? b, view.constant(a ? 1 : 0)];
    return op === "add" && value && bias ? this.#withBias(inputs[a ? 0 : 1]!, value, bias) : undefined;
  }

  /** Adds a bias to a convolution or matrix product that has none, and whose output nothing else reads. */
  #withBias(name: string, value: Computed, constant: Weight): NamedValue | undefined {
    const { node } = value;
    if (this.#uses.get(name) !== 1 || !(isOp(node, "conv2d") || isOp(node, "linear")) || node.operation.bias)
      return undefined;
    const outputs = node.operation.weight.shape[0]!;
    const channelAxis = isOp(node, "linear") || value.layout === "NHWC" ? -1 : -3;
    const bias = vectorOf(constant, outputs);
    if (!bias || constant.shape.at(channelAxis) !== outputs) return undefined;
    node.operation = { ...node.operation, bias };
    return value;
  }

  #add(view: NodeView, operation: Operation, inputs: readonly Computed[], layout: ImageLayout): NamedValue {
    const nodes = inputs.map(({ node }) => node);
    return { kind: "computed", node: this.#builder.add(view.node.operator, view.name, operation, nodes), layout };
  }

  #other({ node, name }: NodeView): void {
    const values = node.inputs.map((input) => this.#values.get(input)).filter((value) => value?.kind === "computed");
    const operator = node.domain === "" ? node.operator : `${node.domain}.${node.operator}`;
    const other = this.#builder.add(
      operator,
      name,
      { op: "other" },
      values.map((value) => value.node),
    );
    const layout = values[0]?.layout ?? "NCHW";
    for (const output of node.outputs)
      if (output !== "") this.#values.set(output, { kind: "computed", node: other, layout });
  }
}

/** A node with its input values. */
class NodeView {
  readonly node: OnnxNode;
  readonly #values: ReadonlyMap<string, NamedValue>;

  constructor(node: OnnxNode, values: ReadonlyMap<string, NamedValue>) {
    this.node = node;
    this.#values = values;
  }

  get name(): string {
    return this.node.name === "" ? this.node.outputs[0]! : this.node.name;
  }

  /** Whether the node has an input at this index. */
  has(index: number): boolean {
    return (this.node.inputs[index] ?? "") !== "";
  }

  computed(index: number): Computed | undefined {
    const value = this.#values.get(this.node.inputs[index] ?? "");
    return value?.kind === "computed" ? value : undefined;
  }

  value(index: number): Constant | undefined {
    const value = this.#values.get(this.node.inputs[index] ?? "");
    return value?.kind === "constant" ? value : undefined;
  }

  /** The fill value of a ConstantOfShape. */
  get fill(): Constant | undefined {
    const value = this.#values.get(fillOf(this.node.outputs[0]!));
    return value?.kind === "constant" ? value : undefined;
  }

  constant(index: number): Weight | undefined {
    return this.value(index)?.weight;
  }

  /**
   * The numbers of an attribute, or of the constant input that replaces the attribute in newer versions of an operator.
   */
  list(name: string, index: number): readonly number[] | undefined {
    return this.ints(name) ?? this.value(index)?.numbers;
  }

  ints(name: string): readonly number[] | undefined {
    const value = this.#attribute(name);
    return Array.isArray(value) ? value : undefined;
  }

  number(name: string, otherwise: number): number {
    const value = this.#attribute(name);
    return typeof value === "number" ? value : otherwise;
  }

  text(name: string, otherwise: string): string {
    const value = this.#attribute(name);
    return typeof value === "string" ? value : otherwise;
  }

  #attribute(name: string): OnnxAttribute {
    return this.node.attributes.get(name);
  }
}

/** Numbers of TensorProto.DataTypes that are floats. */
const floatTypes: readonly number[] = [1, 10, 11, 16];

/** Whether a node changes no numbers. */
function isTransparent(view: NodeView): boolean {
  const { operator } = view.node;
  if (operator === "Cast") return floatTypes.includes(view.number("to", 0));
  if (operator === "Dropout") return !view.has(2) || view.value(2)?.numbers?.[0] === 0;
  return operator === "Identity";
}

function transposed(layout: ImageLayout, order: readonly number[] | undefined): ImageLayout | undefined {
  const text = order?.join();
  if (layout === "NHWC" && text === "0,3,1,2") return "NCHW";
  return layout === "NCHW" && text === "0,2,3,1" ? "NHWC" : undefined;
}

/** The most numbers of a constant that is evaluated. Parameters of operators have fewer. */
const MOST_NUMBERS = 64;

/** Rules for operators on constants. Weights are passed on; short lists of numbers are evaluated. */
const constantRules: { readonly [operator: string]: (view: NodeView) => Constant | undefined } = {
  Identity: (view) => view.value(0),
  Cast(view) {
    const [value, type] = [view.value(0), view.number("to", 0)];
    if (!value || floatTypes.includes(type)) return value;
    const { shape, numbers } = value; // truncated numbers are no longer a weight of the file
    return type === 6 || type === 7 ? { kind: "constant", shape, numbers: numbers?.map(Math.trunc) } : undefined;
  },
  ConstantOfShape(view) {
    const shape = view.value(0)?.numbers;
    const [fill] = view.fill?.numbers ?? [0];
    const size = product(shape ?? [Infinity]);
    if (!shape || !(size <= MOST_NUMBERS) || fill === undefined) return undefined;
    return { kind: "constant", shape, numbers: Array.from({ length: size }, () => fill) };
  },
  Concat(view) {
    const parts = view.node.inputs.map((_, i) => view.value(i));
    const numbers = parts.flatMap((part) => (part?.shape.length === 1 && part.numbers ? [part.numbers] : [])).flat();
    const isWhole = parts.every((part) => part?.shape.length === 1 && part.numbers) && numbers.length <= MOST_NUMBERS;
    return isWhole ? { kind: "constant", shape: [numbers.length], numbers } : undefined;
  },
  Slice(view) {
    const { shape = [], numbers } = view.value(0) ?? {};
    const [start, end, axis, step] = [1, 2, 3, 4].map((i) => view.value(i)?.numbers?.[0]);
    const [rows = 0, ...rest] = shape;
    if (!numbers || axis !== 0 || step !== -1 || start !== -1 || !(end! <= -rows)) return undefined;
    const width = product(rest); // rows reversed: the only Slice that exporters write for pads
    return {
      kind: "constant",
      shape,
      numbers: Array.from(numbers, (_, i) => numbers[(rows - 1 - Math.floor(i / width)) * width + (i % width)]!),
    };
  },
  Transpose(view) {
    const { weight, shape, numbers } = view.value(0) ?? {};
    const order = view.ints("perm") ?? shape?.map((_, axis) => axis).reverse();
    if (!shape || order?.length !== shape.length || !shape.every((_, axis) => order.includes(axis))) return undefined;
    const to = order.map((axis) => shape[axis]!);
    const [rows = 0, columns = 0] = shape;
    const isMatrix = numbers && shape.length === 2 && order[0] === 1;
    const moved = isMatrix ? numbers.map((_, i) => numbers[(i % rows) * columns + Math.floor(i / rows)]!) : undefined;
    return { kind: "constant", shape: to, weight: weight && changed(weight, { order }), numbers: moved };
  },
  Reshape(view) {
    const value = view.value(0);
    const sizes = view.list("shape", 1)?.map((size, axis) => (size === 0 ? (value?.shape[axis] ?? 0) : size));
    return value && sizes ? reshaped(value, sizes) : undefined;
  },
  Unsqueeze(view) {
    const value = view.value(0);
    const axes = view.list("axes", 1);
    if (!value || !axes) return undefined;
    const rank = value.shape.length + axes.length;
    const added = axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const rest = [...value.shape];
    return reshaped(
      value,
      Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : (rest.shift() ?? 0))),
    );
  },
  Squeeze(view) {
    const value = view.value(0);
    if (!value) return undefined;
    const { length } = value.shape;
    const removed = view.list("axes", 1)?.map((axis) => (axis < 0 ? axis + length : axis));
    return reshaped(
      value,
      value.shape.filter((size, axis) => !(removed ? removed.includes(axis) : size === 1)),
    );
  },
};

function reshaped({ weight, numbers, shape: from }: Constant, sizes: readonly number[]): Constant | undefined {
  const size = product(from);
  const known = product(sizes.filter((axis) => axis !== -1));
  const shape = sizes.map((axis) => (axis === -1 ? size / known : axis));
  if (product(shape) !== size || !shape.every(Number.isSafeInteger) || shape.length > MOST_NUMBERS) return undefined;
  return { kind: "constant", shape, weight: weight && changed(weight, { shape }), numbers };
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

type Rule = (view: NodeView, data: Computed) => Operation | { readonly alias: true } | undefined;

const alias = { alias: true } as const;
const reshape: Rule = () => ({ op: "reshape" });
/** Softmax over classes: axis 1 of images, axis 1 or the last axis of other values. */
const softmax: Rule = (view, { node }) => {
  const isFlat = isOp(node, "linear") || isOp(node, "reshape");
  const axis = view.number("axis", isFlat ? 1 : Number.NaN); // default: 1 before version 13, then −1
  return axis === 1 || (isFlat && axis === -1) ? { op: "softmax" } : undefined;
};

/** The rules for operators with one computed input; other inputs are constants. Undefined if core has no such op. */
const rules: { readonly [operator: string]: Rule } = {
  Relu: () => ({ op: "relu" }),
  Sigmoid: () => ({ op: "sigmoid" }),
  Softmax: softmax,
  LogSoftmax: softmax,
  GlobalAveragePool: (_, { layout }) => (layout === "NCHW" ? { op: "globalAveragePool" } : undefined),
  Flatten: reshape,
  Reshape: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Clip(view) {
    const [least] = view.list("", 1) ?? [view.number("min", Number.NaN)];
    const isOpen = !view.has(2) && view.number("max", Infinity) > 3e38;
    return least === 0 && isOpen ? { op: "relu" } : undefined;
  },
  Conv(view, { layout }) {
    const weight = view.constant(1);
    const bias = view.constant(2);
    if (layout !== "NCHW" || weight?.shape.length !== 4 || (view.has(2) && !bias)) return undefined;
    const padding = paddingOf(view);
    const [stride, dilation] = [pairOf(view, "strides"), pairOf(view, "dilations")];
    if (!padding || !stride || !dilation) return undefined;
    return { op: "conv2d", weight, ...(bias && { bias }), padding, stride, dilation, groups: view.number("group", 1) };
  },
  BatchNormalization(view, { layout }) {
    const [scale, shift, mean, variance] = [1, 2, 3, 4].map((index) => view.constant(index));
    if (layout !== "NCHW" || !scale || !shift || !mean || !variance || view.number("spatial", 1) !== 1)
      return undefined;
    // batch statistics as further outputs mark training before version 14
    const isTraining = view.number("training_mode", 0) !== 0 || view.number("is_test", 1) === 0;
    if (isTraining || view.node.outputs.slice(1).some((name) => name !== "")) return undefined;
    return { op: "batchNorm", scale, shift, mean, variance, epsilon: view.number("epsilon", 1e-5) };
  },
  Gemm(view) {
    const [matrix, bias] = [view.constant(1), view.constant(2)];
    const isPlain = view.number("alpha", 1) === 1 && view.number("beta", 1) === 1 && view.number("transA", 0) === 0;
    if (matrix?.shape.length !== 2 || !isPlain || (view.has(2) && !bias)) return undefined;
    const weight = view.number("transB", 0) === 1 ? matrix : changed(matrix, { order: [1, 0] });
    const vector = bias && weight && vectorOf(bias, weight.shape[0]!);
    if (!weight || (bias && !vector)) return undefined;
    return { op: "linear", weight, ...(vector && { bias: vector }) };
  },
  MatMul(view) {
    const matrix = view.constant(1);
    const weight = matrix?.shape.length === 2 ? changed(matrix, { order: [1, 0] }) : undefined;
    return weight && { op: "linear", weight };
  },
  MaxPool: (view, { layout }) => (layout === "NCHW" ? pool(view, "maxPool2d") : undefined),
  AveragePool: (view, { layout }) => (layout === "NCHW" ? pool(view, "averagePool2d") : undefined),
  ReduceMean(view, { layout }) {
    const axes = view.list("axes", 1)?.map((axis) => (axis < 0 ? axis + 4 : axis));
    const spatial = layout === "NCHW" ? "2,3" : "1,2";
    return axes?.toSorted().join() === spatial ? { op: "globalAveragePool" } : undefined;
  },
  Pad(view, { layout }) {
    const pads = padsOf(view, layout);
    const [value] = view.list("", 2) ?? [view.has(2) ? Number.NaN : view.number("value", 0)];
    if (!pads || (value !== 0 && value !== -Infinity) || view.text("mode", "constant") !== "constant") return undefined;
    const [n, before, top, left, m, after, bottom, right] = pads;
    const [isSpatial, isOfChannels] = [top || left || bottom || right, before || after];
    if (n || m || pads.some((pad) => pad < 0) || (isSpatial && isOfChannels)) return undefined;
    if (isOfChannels && value === 0) return { op: "padChannels", before: before!, after: after! };
    if (isSpatial) return { op: "pad2d", padding: [top!, left!, bottom!, right!], value };
    return isOfChannels ? undefined : alias;
  },
  Slice(view, { node, layout }) {
    const [starts, ends] = [view.list("starts", 1), view.list("ends", 2)];
    if (!starts || !ends) return undefined;
    const axes = view.list("axes", 3) ?? starts.map((_, axis) => axis);
    const steps = view.list("", 4) ?? starts.map(() => 1);
    const before = isOp(node, "subsample") ? node.operation : undefined;
    const [stride, last] = [[...(before?.stride ?? [1, 1])], [...(before?.ends ?? [Infinity, Infinity])]];
    for (const [i, axis] of axes.entries()) {
      const at = channelsFirst(layout, [0, 1, 2, 3]).indexOf(axis < 0 ? axis + 4 : axis) - 2;
      const [end, step] = [ends[i] ?? 0, steps[i] ?? 1];
      if (starts[i] !== 0 || step < 1 || (stride[at] ?? 1) !== 1) return undefined;
      if (at >= 0) [stride[at], last[at]] = [step, Math.min(last[at]!, end)];
      else if (step !== 1 || end < 2 ** 31 - 1) return undefined;
    }
    if (!before && stride.every((step) => step === 1) && last.every((end) => end >= 2 ** 31 - 1)) return alias;
    return { op: "subsample", stride: [stride[0]!, stride[1]!], ends: [last[0]!, last[1]!] };
  },
};

function pairOf(view: NodeView, name: string): Pair | undefined {
  const list = view.ints(name) ?? [1, 1];
  return list.length === 2 ? (list as Pair) : undefined;
}

function pool(view: NodeView, op: "maxPool2d" | "averagePool2d"): Operation | undefined {
  const [window, stride, padding] = [pairOf(view, "kernel_shape"), pairOf(view, "strides"), paddingOf(view)];
  if (!window || !stride || !padding || pairOf(view, "dilations")?.join() !== "1,1") return undefined;
  const isFlag = (name: string) => view.number(name, 0) === 1;
  return { op, window, stride, padding, ceil: isFlag("ceil_mode"), countsPadding: isFlag("count_include_pad") };
}

function paddingOf(view: NodeView): NetworkPadding | undefined {
  const auto = view.text("auto_pad", "NOTSET");
  if (auto === "SAME_UPPER") return "same";
  const pads = auto === "VALID" ? undefined : view.ints("pads");
  if (auto !== "NOTSET" && auto !== "VALID" && auto !== "") return undefined;
  const [top, left, bottom, right] = pads ?? [0, 0, 0, 0];
  return pads && pads.length !== 4 ? undefined : [top!, left!, bottom!, right!];
}

/** The padding before and after each axis, in NCHW: eight numbers. */
function padsOf(view: NodeView, layout: ImageLayout): readonly number[] | undefined {
  const list = view.list("pads", 1);
  if (!list) return undefined;
  const count = list.length / 2;
  const axes = view.list("", 3) ?? (count === 4 ? [0, 1, 2, 3] : undefined);
  if (axes?.length !== count) return undefined;
  const [before, behind] = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  for (const [i, axis] of axes.entries()) {
    const at = axis < 0 ? axis + 4 : axis;
    [before[at], behind[at]] = [list[i]!, list[i + count]!];
  }
  return [...channelsFirst(layout, before), ...channelsFirst(layout, behind)];
}
