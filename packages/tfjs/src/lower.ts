import {
  type AnyNode,
  type AttributesOf,
  type Constant,
  constant,
  type Graph,
  type Lowering,
  lower,
  type Node,
  type Shape,
  sizeOf,
  tensorOf,
  UnsupportedError,
  type Value,
  valuesOf,
} from "@residual/core";
import { shapeIn } from "./layout.ts";
import type { Layout, Operation, OperatorName, Operators, Pads, Program, Weight } from "./program.ts";

/** How a convolution in groups is made of what there is: see engines.ts, where each engine's choice has its reason. */
export type GroupedForm = "depthwise" | "split";

/** What an engine's operators take, and in which form it is quickest. */
export interface Dialect {
  /** Whether convolutions take a padding for each side; else the image is padded before. */
  readonly padsConvolutions: boolean;
  /** The same for max pools. */
  readonly padsPools: boolean;
  /** The form of a convolution with so many input channels in each group. */
  readonly grouped: (channels: number) => GroupedForm;
  /** Whether a convolution is a product of matrices. */
  readonly multiplies: (convolution: Product) => boolean;
}

/** What a convolution would be as a product of matrices. */
interface Product {
  /** Of the answer. */
  readonly pixels: number;
  /** Of a window. */
  readonly taps: number;
  /** Numbers of all its kernels. */
  readonly weights: number;
}

/**
 * A graph in TensorFlow's operators. Images are turned to NHWC where they come in and back where they go out; any batch will do.
 *
 * Throws UnsupportedError for open parameters.
 */
export function lowerToProgram(graph: Graph, dialect: Dialect): Program {
  const builder = new ProgramBuilder(graph);
  const operands = lower<Operand>(graph, lowering(builder, dialect), (leaf) => {
    if (leaf.kind === "constant") return leaf;
    if (leaf.kind === "input") return builder.input(leaf.name, leaf.shape);
    throw new UnsupportedError(`tfjs: the ${leaf.kind} ${leaf.name} of ${graph.name} has no numbers; bind it first`);
  });
  const outputs = Object.entries<Value>(graph.outputs).map(([name, value]) => {
    const from = value.kind === "input" ? value.name : builder.channelsFirst(name, value, operands.get(value)!);
    return { name, shape: value.shape, from };
  });
  const inputs = Object.values(graph.inputs).map(({ name, shape }) => ({ name, shape }));
  return { name: graph.name, inputs, outputs, weights: [...builder.weights.values()], operations: builder.operations };
}

const TO_LAST = [0, 2, 3, 1];
const TO_FIRST = [0, 3, 1, 2];

/** The name of an operand, images held NHWC, or a constant that nobody has asked for in some layout yet. */
type Operand = string | Constant;

/** What each op becomes: one operator, or a few. */
const lowering = (to: ProgramBuilder, dialect: Dialect): Lowering<Operand> => ({
  add: (node, { a, b }) => to.emit("AddV2", node.name, [to.held(a), to.held(b)], {}),
  averagePool2d: (node, { x }) => averagePool(to, node, to.held(x)),
  batchNorm: (node, { x, scale, shift, mean, variance }) =>
    to.emit(
      "FusedBatchNormV3",
      node.name,
      [x, scale, shift, mean, variance].map((each) => to.held(each)),
      node.attributes,
    ),
  conv2d: (node, { x, weight, bias }) => convolution(to, dialect, { node, x, weight, bias, relu: false }),
  flatten(node, { x }) {
    const [, ...sizes] = node.inputs.x.shape as readonly number[];
    const first = to.channelsFirst(`${node.name}/channels-first`, node.inputs.x, x);
    return to.emit("Reshape", node.name, [first], { shape: [-1, sizeOf(sizes)] });
  },
  fusedConv2d: (node, { x, weight, bias, residual }) =>
    convolution(to, dialect, { node, x, weight, bias, residual, relu: node.attributes.relu }),
  globalAveragePool: (node, { x }) => to.emit("Mean", node.name, [to.held(x)], { axes: [1, 2], keepDims: true }),
  linear(node, { x, weight, bias }) {
    const factors = [to.held(x), to.columns(weight, node.inputs.weight)];
    return bias === undefined
      ? to.emit("MatMul", node.name, factors, {})
      : to.emit("_FusedMatMul", node.name, [...factors, to.held(bias)], { relu: false });
  },
  logSoftmax: (node, { x }) => to.emit("LogSoftmax", node.name, [to.held(x)], {}),
  maxPool2d(node, { x }) {
    const { window, stride, padding } = node.attributes;
    const padded = dialect.padsPools ? to.held(x) : to.padded(node.name, to.held(x), padding, -Infinity);
    const pads: Pads = dialect.padsPools ? padding : [0, 0, 0, 0];
    return to.emit("MaxPool", node.name, [padded], { window, strides: stride, pads });
  },
  multiply: (node, { x, gate }) => to.emit("Mul", node.name, [to.held(x), to.held(gate)], {}),
  padChannels(node, { x }) {
    const { before, after } = node.attributes;
    const none = [0, 0] as const;
    return to.emit("PadV2", node.name, [to.held(x)], { paddings: [none, none, none, [before, after]], value: 0 });
  },
  relu: (node, { x }) => to.emit("Relu", node.name, [to.held(x)], {}),
  sigmoid: (node, { x }) => to.emit("Sigmoid", node.name, [to.held(x)], {}),
  softmax: (node, { x }) => to.emit("Softmax", node.name, [to.held(x)], {}),
  subsample: (node, { x }) =>
    to.chain(node.name, to.held(x), subsample(to, node.inputs.x.shape, node.attributes.stride)),
});

/** The mean of the pixels that a window sees. TensorFlow's pools leave out what is not there, but pad evenly or not at all. */
function averagePool(to: ProgramBuilder, node: Node<"averagePool2d">, x: string): string {
  const { window, stride: strides } = node.attributes;
  const [, , height = 0, width = 0] = node.inputs.x.shape as readonly number[];
  const [, , outputHeight = 0, outputWidth = 0] = node.shape as readonly number[];
  const beyond = (axis: 0 | 1, size: number, outputs: number) =>
    Math.max((outputs - 1) * strides[axis] + window[axis] - size, 0);
  const [bottom, right] = [beyond(0, height, outputHeight), beyond(1, width, outputWidth)];
  if (bottom === 0 && right === 0) return to.emit("AvgPool", node.name, [x], { window, strides, padding: "VALID" });
  const whole = [height / strides[0], width / strides[1]].map(Math.ceil).join();
  const isSame = whole === [outputHeight, outputWidth].join() && bottom <= 1 && right <= 1; // of one pixel the larger half is last
  if (isSame) return to.emit("AvgPool", node.name, [x], { window, strides, padding: "SAME" });
  const padded = to.padded(node.name, x, [0, 0, bottom, right], 0);
  const sums = to.emit("AvgPool", `${node.name}/with-zeros`, [padded], { window, strides, padding: "VALID" });
  const share = (axis: 0 | 1, size: number, i: number) =>
    window[axis] / (Math.min(i * strides[axis] + window[axis], size) - i * strides[axis]);
  const shares = Float32Array.from({ length: outputHeight * outputWidth }, (_, i) => {
    return share(0, height, Math.floor(i / outputWidth)) * share(1, width, i % outputWidth);
  });
  const factors = to.numbers(`${node.name}/shares`, [1, outputHeight, outputWidth, 1], shares);
  return to.emit("Mul", node.name, [sums, factors], {});
}

interface ConvolutionParts {
  readonly node: AnyNode & {
    readonly attributes: AttributesOf<"conv2d">;
    readonly inputs: { readonly x: Value; readonly weight: Value };
  };
  readonly x: Operand;
  readonly weight: Operand;
  readonly bias: Operand | undefined;
  readonly residual?: Operand | undefined;
  readonly relu: boolean;
}

/** An operator on the answer of the one before it. */
type Step = readonly [suffix: string, apply: (x: string, name: string) => string];

/** relu(conv2d(x, weight, bias) + residual). Engines fuse a bias, and with it relu; a residual none of them. */
function convolution(to: ProgramBuilder, dialect: Dialect, parts: ConvolutionParts): string {
  const { node, weight, bias, residual, relu } = parts;
  const { stride, dilation, padding, groups } = node.attributes;
  const [outputs = 0, channels = 0] = node.inputs.weight.shape as readonly number[];
  const isApart = groups > 1 && (channels === 1 || dialect.grouped(channels) === "depthwise");
  const apart = isApart && typeof weight !== "string" ? weight : undefined; // each channel alone
  const isFused = relu && bias !== undefined && residual === undefined && apart === undefined;
  // tfjs takes strides or dilations, not both: what a stride would leave out is then taken out afterwards.
  const isBoth = Math.max(...stride) > 1 && Math.max(...dilation) > 1;
  const pads: Pads = dialect.padsConvolutions ? padding : [0, 0, 0, 0];
  const attributes = { strides: isBoth ? ([1, 1] as const) : stride, pads, dilations: dilation, relu: isFused };
  const bank: Bank = { ...parts, attributes, groups, channels, outputs };
  const [first, ...others] = apart
    ? depthwise(to, bank, apart)
    : isProduct(dialect, parts)
      ? product(to, bank)
      : [split(to, bank)];
  const steps: Step[] = [first];
  if (isBoth) steps.push(...subsample(to, everyPixel(node, apart ? channels : 1), stride));
  steps.push(...others);
  if (residual !== undefined) steps.push(["sum", (x, name) => to.emit("AddV2", name, [x, to.held(residual)], {})]);
  if (relu && !isFused) steps.push(["relu", (x, name) => to.emit("Relu", name, [x], {})]);
  const x = dialect.padsConvolutions ? to.held(parts.x) : to.padded(node.name, to.held(parts.x), padding, 0);
  return to.chain(node.name, x, steps);
}

/** Whether the dialect multiplies, and this can be: by windows only those of constants, and where they lie side by side. */
function isProduct(dialect: Dialect, { node, weight }: ConvolutionParts): boolean {
  const { inputs, attributes, shape } = node;
  const [, , height = 0, width = 0] = inputs.weight.shape as readonly number[];
  const [, , rows = 0, columns = 0] = shape as readonly number[];
  const { groups, padding, stride, dilation } = attributes;
  const taps = height * width;
  const isSingle = taps === 1 && Math.max(...padding) === 0 && Math.max(...dilation) === 1;
  const isDense = taps > 1 && Math.max(...stride) === 1 && typeof weight !== "string";
  return (
    groups === 1 &&
    (isSingle || isDense) &&
    dialect.multiplies({ pixels: rows * columns, taps, weights: sizeOf(inputs.weight.shape as readonly number[]) })
  );
}

/** What each pixel of the answer is made of as rows, [N · OH · OW, KH · KW · C], times kernels as columns. */
function product(to: ProgramBuilder, { node, weight, bias, channels, outputs, attributes }: Bank): [Step, ...Step[]] {
  const { strides, pads, dilations, relu } = attributes;
  const [, , height = 0, width = 0] = node.shape as readonly number[];
  const [, , down = 0, right = 0] = node.inputs.weight.shape as readonly number[];
  const rows: Step = ["rows", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, down * right * channels] })];
  const times: Step = [
    "product",
    (x, name) => {
      const factors = [x, to.columns(weight, node.inputs.weight)];
      if (bias === undefined) return to.emit("MatMul", name, factors, {});
      return to.emit("_FusedMatMul", name, [...factors, to.held(bias)], { relu });
    },
  ];
  const image: Step = ["image", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, height, width, outputs] })];
  if (down * right > 1) {
    const windows: Step = [
      "windows",
      (x, name) => {
        const padded = to.padded(name, x, pads, 0);
        const taps = Array.from({ length: down * right }, (_, i) => {
          const [a, b] = [dilations[0] * Math.floor(i / right), dilations[1] * (i % right)];
          const slice = { begin: [0, a, b, 0], size: [-1, height, width, -1] };
          return to.emit("Slice", `${name}/tap-${i}`, [padded], slice);
        });
        return to.emit("ConcatV2", name, taps, { axis: 3 });
      },
    ];
    return [windows, rows, times, image];
  }
  if (Math.max(...strides) === 1) return [rows, times, image];
  const [begin, ...others] = subsample(to, node.inputs.x.shape, strides);
  return [begin, ...others, rows, times, image];
}

/**
 * Every pixel that a stride meets, from the first on. Rows and columns are cut into stretches as long as the stride, whose firsts are one
 * slice: on CPUs tfjs's StridedSlice goes number by number, and takes 40 times as long.
 */
function subsample(to: ProgramBuilder, shape: Shape, [down, right]: readonly [number, number]): [Step, ...Step[]] {
  const [, channels, height, width] = shape as readonly [number, number, number, number];
  const [rows, columns] = [Math.ceil(height / down), Math.ceil(width / right)];
  const beyond: Pads = [0, 0, rows * down - height, columns * right - width];
  return [
    [
      "stretches",
      (x, name) => {
        const whole = to.padded(name, x, beyond, 0);
        return to.emit("Reshape", name, [whole], { shape: [-1, down, columns, right * channels] });
      },
    ],
    ["firsts", (x, name) => to.emit("Slice", name, [x], { begin: [0, 0, 0, 0], size: [-1, 1, -1, channels] })],
    ["pixels", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, rows, columns, channels] })],
  ];
}

/** The shape of a convolution's answer if its stride were 1, with so many terms of each sum apart. */
function everyPixel({ inputs, attributes, shape }: ConvolutionParts["node"], terms: number): Shape {
  const [, , height = 0, width = 0] = inputs.x.shape as readonly number[];
  const [, , down = 0, right = 0] = inputs.weight.shape as readonly number[];
  const [top, left, bottom, rightmost] = attributes.padding;
  const [batch, outputs] = shape as readonly [number, number];
  const [a, b] = attributes.dilation;
  return [batch, outputs * terms, height + top + bottom - a * (down - 1), width + left + rightmost - b * (right - 1)];
}

/** A bank of kernels in groups, each of which reads `channels` channels. */
interface Bank extends ConvolutionParts {
  readonly attributes: Operators["_FusedConv2D"];
  readonly groups: number;
  readonly channels: number;
  readonly outputs: number;
}

/** Each group as a convolution of its own; one group is just that. */
function split(to: ProgramBuilder, bank: Bank): Step {
  const { weight, bias, groups, channels, outputs, attributes } = bank;
  const { relu, ...plain } = attributes;
  const one = (x: string, name: string, group: number): string => {
    const filter = to.kernel(weight, { group, groups, outputs });
    if (bias === undefined) return to.emit("Conv2D", name, [x, filter], plain);
    return to.emit("_FusedConv2D", name, [x, filter, to.stretch(bias, { group, groups, outputs })], { ...plain, relu });
  };
  if (groups === 1) return ["convolution", (x, name) => one(x, name, 0)];
  return [
    "groups",
    (x, name) => {
      const answers = Array.from({ length: groups }, (_, group) => {
        const slice = { begin: [0, 0, 0, group * channels], size: [-1, -1, -1, channels] };
        return one(to.emit("Slice", `${name}/input-${group}`, [x], slice), `${name}/group-${group}`, group);
      });
      return to.emit("ConcatV2", name, answers, { axis: 3 });
    },
  ];
}

/**
 * Each channel alone with each of its group's outputs, [N, OH, OW, C · outputs of a group], and what belongs to one output summed up.
 * A mean is the quicker sum, where kernels can be multiplied by the number of its terms exactly: where that is a power of two.
 */
function depthwise(to: ProgramBuilder, bank: Bank, weight: Constant): [Step, ...Step[]] {
  const { node, bias, groups, channels, outputs } = bank;
  const { relu: _, ...attributes } = bank.attributes;
  const isPower = Number.isInteger(Math.log2(channels));
  const filter = to.weight(weight, { kind: "depthwise", groups, factor: isPower ? channels : 1 });
  const sums: Step[] = [];
  if (channels > 1) {
    const [, , height = 0, width = 0] = node.shape as readonly number[];
    const window = [1, channels] as const;
    const apart = [-1, groups, channels, outputs / groups];
    sums.push(
      ["products", (x, name) => to.emit("Reshape", name, [x], { shape: apart })],
      isPower
        ? ["sums", (x, name) => to.emit("AvgPool", name, [x], { window, strides: window, padding: "VALID" })]
        : ["sums", (x, name) => to.emit("Sum", name, [x], { axes: [2] })],
      ["image", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, height, width, outputs] })],
    );
  }
  if (bias !== undefined) sums.push(["bias", (x, name) => to.emit("AddV2", name, [x, to.held(bias)], {})]);
  return [["depthwise", (x, name) => to.emit("DepthwiseConv2dNative", name, [x, filter], attributes)], ...sums];
}

/** Gathers operations and weights, under names that are taken once. */
class ProgramBuilder {
  readonly operations: Operation[] = [];
  readonly weights = new Map<string, Weight>();
  readonly #made = new Map<string, string>();
  readonly #taken: Set<string>;

  constructor(graph: Graph) {
    this.#taken = new Set(valuesOf(graph).map(({ name }) => name));
  }

  /** An image that comes in is turned at once. */
  input(name: string, shape: Shape): string {
    if (shape.length !== 4) return name;
    return this.emit("Transpose", this.#free(`${name}/channels-last`), [name], { permutation: TO_LAST });
  }

  emit<Name extends OperatorName>(
    operator: Name,
    name: string,
    inputs: readonly string[],
    attributes: Operators[Name],
  ): string {
    this.operations.push({ operator, name, inputs, attributes } as Operation);
    return name;
  }

  /** The steps one after the other; the last goes by the name of the whole. */
  chain(name: string, x: string, steps: readonly Step[]): string {
    return steps.reduce((from, [suffix, apply], i) => {
      return apply(from, i === steps.length - 1 ? name : this.#free(`${name}/${suffix}`));
    }, x);
  }

  /** As activations are held: images NHWC, all else as it is. */
  held(operand: Operand): string {
    if (typeof operand === "string") return operand;
    return this.weight(operand, { kind: operand.shape.length === 4 ? "channels-last" : "plain" });
  }

  /** As the caller gets it: NCHW. */
  channelsFirst(name: string, { shape }: Value, operand: Operand): string {
    if (typeof operand !== "string") return this.weight(operand, { kind: "plain" });
    if (shape.length !== 4) return operand;
    const free = this.#free(name === operand ? `${name}/channels-first` : name);
    const [, channels = 0, height = 0, width = 0] = shape as readonly number[];
    const isSame = channels === 1 || height * width === 1; // in memory: only the shape is another
    return isSame
      ? this.emit("Reshape", free, [operand], { shape: [-1, channels, height, width] })
      : this.emit("Transpose", free, [operand], { permutation: TO_FIRST });
  }

  /** A bank of kernels, or one of its groups, as HWIO. */
  kernel(operand: Operand, part: Part): string {
    const { group, groups } = part;
    if (typeof operand !== "string") return this.weight(operand, { kind: "kernel", group, groups });
    const held = this.#part(operand, part, 4);
    return this.#once(`${held}/kernel`, (name) => this.emit("Transpose", name, [held], { permutation: [1, 2, 3, 0] }));
  }

  /** A vector, or a group's part of it. */
  stretch(operand: Operand, part: Part): string {
    const { group, groups } = part;
    if (groups === 1) return this.held(operand);
    return typeof operand === "string"
      ? this.#part(operand, part, 1)
      : this.weight(operand, { kind: "stretch", group, groups });
  }

  /** A matrix [O, I], or a bank (one that is no constant of single pixels only), as tf.matMul multiplies by it; to have it transpose takes four times as long on wasm. */
  columns(operand: Operand, { shape }: Value): string {
    if (typeof operand !== "string") return this.weight(operand, { kind: "columns" });
    const matrix =
      shape.length === 2
        ? operand
        : this.#once(`${operand}/matrix`, (name) =>
            this.emit("Reshape", name, [operand], { shape: shape.slice(0, 2) as number[] }),
          );
    return this.#once(`${operand}/columns`, (name) => this.emit("Transpose", name, [matrix], { permutation: [1, 0] }));
  }

  padded(name: string, x: string, [top, left, bottom, right]: Pads, value: number): string {
    if (top + left + bottom + right === 0) return x;
    const none = [0, 0] as const;
    const paddings = [none, [top, bottom], [left, right], none] as const;
    return this.emit("PadV2", this.#free(`${name}/padded`), [x], { paddings, value });
  }

  /** Numbers that come from attributes. */
  numbers(name: string, shape: readonly number[], data: Float32Array): string {
    return this.weight(constant(name, tensorOf("float32", shape, data)), { kind: "plain" });
  }

  /** A constant in a layout, under its own name where that is not taken by another of its layouts. */
  weight(from: Constant, layout: Layout): string {
    const { kind, ...numbers } = layout;
    const key = [kind, ...Object.values(numbers)].join("-");
    return this.#once(`${from.name}/${key}`, (name) => {
      const isWhole = !("group" in layout) || layout.groups === 1;
      const own = isWhole && !this.weights.has(from.name) ? from.name : name;
      this.weights.set(own, { name: own, shape: shapeIn(layout, from.shape), layout, source: from.source });
      return own;
    });
  }

  /** One of the equal parts of the first axis. */
  #part(operand: string, { group, groups, outputs }: Part, rank: number): string {
    if (groups === 1) return operand;
    return this.#once(`${operand}/part-${group}`, (name) => {
      const each = outputs / groups;
      const rest = Array.from({ length: rank - 1 });
      const slice = { begin: [group * each, ...rest.map(() => 0)], size: [each, ...rest.map(() => -1)] };
      return this.emit("Slice", name, [operand], slice);
    });
  }

  /** Makes what goes by this name the first time that it is asked for. */
  #once(wanted: string, make: (name: string) => string): string {
    const known = this.#made.get(wanted);
    if (known !== undefined) return known;
    const made = make(this.#free(wanted));
    this.#made.set(wanted, made);
    return made;
  }

  #free(wanted: string): string {
    let name = wanted;
    for (let count = 1; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }
}

/** Which of the groups, that share so many outputs. */
interface Part {
  readonly group: number;
  readonly groups: number;
  readonly outputs: number;
}
