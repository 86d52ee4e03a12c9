import { type AnyNode, type AttributesOf, type Pads, type Shape, sizeOf, type Value } from "@residual/core";
import type { Dialect } from "./dialect.ts";
import type { OperatorAttributes, Pair } from "./operators.ts";
import type { Operand, ProgramBuilder, Step } from "./program-builder.ts";

/** A convolution with an optional addition and ReLU after it. */
export interface ConvolutionParts {
  readonly node: AnyNode & {
    readonly attributes: AttributesOf<"conv2d">;
    readonly inputs: { readonly x: Value; readonly weight: Value; readonly bias?: Value };
  };
  readonly x: Operand;
  readonly weight: Operand;
  readonly bias: Operand | undefined;
  readonly residual?: Operand | undefined;
  readonly relu: boolean;
  /**
   * For the gradient with respect to the image: the value of the weight [O, I, KH, KW], whose channels are exchanged
   * and whose kernels are turned in the layouts that operators read.
   */
  readonly turned?: Value;
}

/** Kernels in groups; each group reads `channels` channels. */
interface Bank {
  readonly node: ConvolutionParts["node"];
  readonly weight: Operand;
  /** Only if the operator adds the bias. */
  readonly bias: Operand | undefined;
  readonly attributes: OperatorAttributes<"_FusedConv2D">;
  readonly groups: number;
  readonly channels: number;
  readonly outputs: number;
  readonly turned: Value | undefined;
}

/** relu(conv2d(x, weight, bias) + residual). Engines fuse a bias and a ReLU, but no residual. */
export function convolution(to: ProgramBuilder, dialect: Dialect, parts: ConvolutionParts): string {
  const { node, weight, bias, residual, relu, turned } = parts;
  const { stride, dilation, padding, groups } = node.attributes;
  const [outputs = 0, channels = 0] = node.inputs.weight.shape as readonly number[];
  const isDepthwise = groups > 1 && dialect.grouped({ channels, stride, dilation }) === "depthwise";
  const fusesBias = bias !== undefined && !isDepthwise && areConstant(weight, bias);
  const fusesRelu = fusesBias && relu && residual === undefined;
  // tfjs supports strides or dilations, not both: with both, the stride is applied afterwards.
  const isBoth = Math.max(...stride) > 1 && Math.max(...dilation) > 1;
  const pads: Pads = dialect.padsConvolutions ? padding : [0, 0, 0, 0];
  const attributes = { strides: isBoth ? ([1, 1] as const) : stride, pads, dilations: dilation, relu: fusesRelu };
  const bank: Bank = {
    node,
    weight,
    bias: fusesBias ? bias : undefined,
    attributes,
    groups,
    channels,
    outputs,
    turned,
  };
  const [first, ...others] = isDepthwise
    ? depthwise(to, bank)
    : !turned && isProduct(dialect, node)
      ? product(to, bank)
      : [split(to, bank)];
  const steps: Step[] = [first];
  if (isBoth) steps.push(...subsample(to, everyPixel(node, isDepthwise ? channels : 1), stride));
  steps.push(...others);
  if (bias !== undefined && !fusesBias) steps.push(addition(to, "bias", bias));
  if (residual !== undefined) steps.push(addition(to, "sum", residual));
  if (relu && !fusesRelu) steps.push(["relu", (x, name) => to.emit("Relu", name, [x], {})]);
  const image = to.channelsLast(parts.x);
  return to.chain(node.name, dialect.padsConvolutions ? image : to.padded(node.name, image, padding, 0), steps);
}

/** x · weightᵀ + bias. */
export function matrixProduct(
  to: ProgramBuilder,
  name: string,
  x: string,
  { weight, bias, matrix, relu }: { weight: Operand; bias: Operand | undefined; matrix: Value; relu: boolean },
): string {
  const factors = [x, to.inLayout(weight, matrix, { kind: "columns" })];
  if (bias === undefined) return to.emit("MatMul", name, factors, {});
  if (areConstant(weight, bias)) {
    return to.emit("_FusedMatMul", name, [...factors, to.channelsLast(bias)], { relu });
  }
  return to.chain(name, x, [["product", (_, own) => to.emit("MatMul", own, factors, {})], addition(to, "bias", bias)]);
}

/**
 * Whether the operator may add the bias too. XNNPACK packs kernels together with their bias, and keeps an entry for
 * each pair until both are freed. With a new bias in each run, constant kernels would be packed anew each time, and the
 * entries would accumulate.
 */
function areConstant(...operands: readonly Operand[]): boolean {
  return operands.every((operand) => typeof operand !== "string" && operand.kind === "constant");
}

function addition(to: ProgramBuilder, suffix: string, operand: Operand): Step {
  return [suffix, (x, name) => to.emit("AddV2", name, [x, to.channelsLast(operand)], {})];
}

/** Whether the dialect multiplies matrices here, and the convolution allows it: its windows must not overlap. */
function isProduct(dialect: Dialect, { inputs, attributes, shape }: ConvolutionParts["node"]): boolean {
  const [, , height = 0, width = 0] = inputs.weight.shape as readonly number[];
  const [, , rows = 0, columns = 0] = shape as readonly number[];
  const { groups, padding, stride, dilation } = attributes;
  const taps = height * width;
  const isSingle = taps === 1 && Math.max(...padding) === 0 && Math.max(...dilation) === 1;
  const isDense = taps > 1 && Math.max(...stride) === 1;
  return (
    groups === 1 &&
    (isSingle || isDense) &&
    dialect.multiplies({ pixels: rows * columns, taps, weights: sizeOf(inputs.weight.shape as readonly number[]) })
  );
}

/** Each output pixel's window as a row, [N · OH · OW, KH · KW · C], times kernels as columns. */
function product(to: ProgramBuilder, { node, weight, bias, channels, outputs, attributes }: Bank): [Step, ...Step[]] {
  const { strides, pads, dilations, relu } = attributes;
  const [, , height = 0, width = 0] = node.shape as readonly number[];
  const [, , down = 0, right = 0] = node.inputs.weight.shape as readonly number[];
  const rows: Step = ["rows", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, down * right * channels] })];
  const times: Step = [
    "product",
    (x, name) => matrixProduct(to, name, x, { weight, bias, matrix: node.inputs.weight, relu }),
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
 * Every stride-th pixel, starting with the first. Rows and columns are cut into pieces as long as the stride, and the
 * first pixel of each piece is taken by one slice: on CPUs tfjs's StridedSlice copies number by number, and takes 40
 * times as long.
 */
export function subsample(to: ProgramBuilder, shape: Shape, [down, right]: Pair): [Step, ...Step[]] {
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

/** The shape of a convolution's output with a stride of 1, and `terms` separate terms of each sum. */
function everyPixel({ inputs, attributes, shape }: ConvolutionParts["node"], terms: number): Shape {
  const [, , height = 0, width = 0] = inputs.x.shape as readonly number[];
  const [, , down = 0, right = 0] = inputs.weight.shape as readonly number[];
  const [top, left, bottom, rightmost] = attributes.padding;
  const [batch, outputs] = shape as readonly [number, number];
  const [a, b] = attributes.dilation;
  return [batch, outputs * terms, height + top + bottom - a * (down - 1), width + left + rightmost - b * (right - 1)];
}

/** Each group as a separate convolution; a single group stays one convolution. */
function split(to: ProgramBuilder, { node, weight, bias, groups, channels, attributes, turned }: Bank): Step {
  const { relu, ...plain } = attributes;
  const one = (x: string, name: string, group: number): string => {
    const kind = turned ? "turned-kernel" : "kernel";
    const filter = to.inLayout(weight, turned ?? node.inputs.weight, { kind, group, groups });
    if (bias === undefined) return to.emit("Conv2D", name, [x, filter], plain);
    const vector = to.inLayout(bias, node.inputs.bias!, { kind: "vector", group, groups });
    return to.emit("_FusedConv2D", name, [x, filter, vector], { ...plain, relu });
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
 * Each channel with each of its group's outputs, [N, OH, OW, C · outputs per group], then the sums for each output. A
 * mean is faster than a sum, and is used if the kernels can be multiplied by the number of terms exactly: if that is a
 * power of two.
 */
function depthwise(to: ProgramBuilder, bank: Bank): [Step, ...Step[]] {
  const { node, weight, groups, channels, outputs, turned } = bank;
  const { relu: _, ...attributes } = bank.attributes;
  const isPower = Number.isInteger(Math.log2(channels));
  const kind = turned ? "turned-depthwise" : "depthwise";
  const filter = to.inLayout(weight, turned ?? node.inputs.weight, { kind, groups, factor: isPower ? channels : 1 });
  const alone: Step = ["depthwise", (x, name) => to.emit("DepthwiseConv2dNative", name, [x, filter], attributes)];
  if (channels === 1) return [alone];
  const [, , height = 0, width = 0] = node.shape as readonly number[];
  const window = [1, channels] as const;
  const apart = [-1, groups, channels, outputs / groups];
  return [
    alone,
    ["products", (x, name) => to.emit("Reshape", name, [x], { shape: apart })],
    isPower
      ? ["sums", (x, name) => to.emit("AvgPool", name, [x], { window, strides: window, padding: "VALID" })]
      : ["sums", (x, name) => to.emit("Sum", name, [x], { axes: [2], keepDims: false })],
    ["image", (x, name) => to.emit("Reshape", name, [x], { shape: [-1, height, width, outputs] })],
  ];
}
