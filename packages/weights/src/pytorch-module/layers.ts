import { type AnyNode, is, type Pads, UnsupportedError } from "@residual/core";
import type { Call } from "./layout.ts";

/** A number of a layer, which may differ between the copies of a class; or a fixed part of it: a flag, a tuple. */
export type Field = number | string | boolean;

/** A module of `torch.nn`, or of a class of the file, with the arguments of its constructor. */
export interface Layer {
  /** As in Python: `nn.Conv2d`. */
  readonly type: string;
  /** `inputs`, `outputs` and `channels` are numbers of channels. */
  readonly fields: Readonly<Record<string, Field>>;
}

/** A Python expression for each field. */
export type Arguments = Readonly<Record<string, string>>;

/**
 * The module for a node; undefined for an op that PyTorch writes as an expression. `isSame`: the network pads as
 * TensorFlow does. Throws UnsupportedError for an op that this export does not know.
 */
export function layerOf(node: AnyNode, isSame: boolean): Layer | undefined {
  if (is(node, "conv2d")) {
    const { stride, padding, dilation, groups } = node.attributes;
    const [outputs, perGroup, ...kernel] = node.inputs.weight.shape as readonly [number, number, number, number];
    const fields = { inputs: perGroup * groups, outputs, kernel: pair(kernel), stride: pair(stride) };
    const bias = node.inputs.bias !== undefined;
    if (isSame && Math.max(...kernel) > 1) {
      checkSame(node, kernel, stride, padding);
      return { type: "Conv2dSame", fields: { ...fields, padding: 0, dilation: pair(dilation), groups, bias } };
    }
    return {
      type: "nn.Conv2d",
      fields: { ...fields, padding: evenPadding(node, padding), dilation: pair(dilation), groups, bias },
    };
  }
  if (is(node, "batchNorm"))
    return { type: "nn.BatchNorm2d", fields: { channels: channelsOf(node), eps: python(node.attributes.epsilon) } };
  if (is(node, "linear")) {
    const [outputs, inputs] = node.inputs.weight.shape as readonly [number, number];
    return { type: "nn.Linear", fields: { inputs, outputs, bias: node.inputs.bias !== undefined } };
  }
  if (is(node, "maxPool2d")) {
    const { window, stride, padding } = node.attributes;
    if (isSame) checkSame(node, window, stride, padding);
    const type = isSame ? "MaxPool2dSame" : "nn.MaxPool2d";
    return {
      type,
      fields: { kernel: pair(window), stride: pair(stride), padding: isSame ? 0 : evenPadding(node, padding) },
    };
  }
  if (is(node, "averagePool2d")) {
    const { window, stride, ceil } = node.attributes;
    return { type: "nn.AvgPool2d", fields: { kernel: pair(window), stride: pair(stride), ceil } };
  }
  if (is(node, "zeroPad2d")) {
    const [top, left, bottom, right] = node.attributes.padding;
    const isEven = new Set(node.attributes.padding).size === 1;
    return { type: "nn.ZeroPad2d", fields: { padding: isEven ? top : `(${left}, ${right}, ${top}, ${bottom})` } };
  }
  if (is(node, "globalAveragePool")) return { type: "nn.AdaptiveAvgPool2d", fields: {} };
  if (is(node, "sigmoid")) return { type: "nn.Sigmoid", fields: {} };
  if (is(node, "relu")) return { type: "nn.ReLU", fields: { inplace: true } };
  return undefined;
}

/** The place of a module in a sequence that does nothing. */
export const identity: Layer = { type: "nn.Identity", fields: {} };

/** How the constructor of each type is called. Arguments with PyTorch's defaults are left out. */
const constructors: { readonly [type: string]: (a: Arguments) => readonly (string | false)[] } = {
  "nn.Conv2d": convolution,
  Conv2dSame: convolution,
  "nn.BatchNorm2d": ({ channels, eps }) => [channels!, eps !== "1e-5" && `eps=${eps}`],
  "nn.Linear": ({ inputs, outputs, bias }) => [inputs!, outputs!, bias === "False" && "bias=False"],
  "nn.MaxPool2d": pool,
  MaxPool2dSame: pool,
  "nn.AvgPool2d": ({ kernel, stride, ceil }) => [
    kernel!,
    stride !== kernel && stride!,
    ceil === "True" && "ceil_mode=True, count_include_pad=False",
  ],
  "nn.ZeroPad2d": ({ padding }) => [padding!],
  "nn.AdaptiveAvgPool2d": () => ["1"],
  "nn.Sigmoid": () => [],
  "nn.ReLU": ({ inplace }) => [inplace === "True" && "inplace=True"],
  "nn.Identity": () => [],
};

function convolution({ inputs, outputs, kernel, stride, padding, dilation, groups, bias }: Arguments) {
  return [
    inputs!,
    outputs!,
    kernel!,
    stride !== "1" && stride!,
    padding !== "0" && `padding=${padding}`,
    dilation !== "1" && `dilation=${dilation}`,
    groups !== "1" && `groups=${groups}`,
    bias === "False" && "bias=False",
  ];
}

function pool({ kernel, stride, padding }: Arguments) {
  return [kernel!, stride !== kernel && stride!, padding !== "0" && `padding=${padding}`];
}

/** The call of a constructor of `torch.nn`, or of one of the helpers; undefined for a class of the file. */
export function constructorOf(type: string, fields: Arguments): Call | undefined {
  const items = constructors[type]?.(fields);
  return items && { head: type, items: items.filter((item) => item !== false) };
}

/** Modules that may end a line of `forward`; norms and activations go on the line of their input. */
export function isHeavy(type: string): boolean {
  return !["nn.BatchNorm2d", "nn.ReLU", "nn.Sigmoid", "nn.Identity"].includes(type);
}

export function channelsOf({ shape }: { readonly shape: AnyNode["shape"] }): number {
  return shape[1] as number;
}

/** A number as Python and people write it. */
function python(value: number): string {
  const text = value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
  return text.replace("e+", "e");
}

function pair([first, second]: readonly number[]): number | string {
  return first === second ? first! : `(${first}, ${second})`;
}

/** The padding of a side, in PyTorch's form. */
function evenPadding(node: AnyNode, [top, left, bottom, right]: Pads): number | string {
  if (top === bottom && left === right) return pair([top, left]);
  throw new UnsupportedError(
    `${node.name} pads ${[top, left, bottom, right].join(", ")} pixels at top, left, bottom and right; a PyTorch ` +
      "module pads both sides alike, or as TensorFlow's 'same' does",
  );
}

/** TensorFlow's padding of one axis: the output has ⌈size / stride⌉ pixels, an odd pixel is behind. */
function samePads(size: number, kernel: number, stride: number): readonly [number, number] {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

function isSamePadding(node: AnyNode, kernel: readonly number[], stride: readonly number[], padding: Pads): boolean {
  const [, , h, w] = node.inputs.x!.shape as readonly [unknown, unknown, number, number];
  const [top, bottom] = samePads(h, kernel[0]!, stride[0]!);
  const [left, right] = samePads(w, kernel[1]!, stride[1]!);
  return [top, left, bottom, right].join() === padding.join();
}

function checkSame(node: AnyNode, kernel: readonly number[], stride: readonly number[], padding: Pads): void {
  if (kernel[0] === kernel[1] && stride[0] === stride[1] && isSamePadding(node, kernel, stride, padding)) return;
  throw new UnsupportedError(
    `${node.name} pads ${padding.join(", ")} pixels at top, left, bottom and right, beside others that pad as ` +
      "TensorFlow's 'same' does; a PyTorch module of it would need both",
  );
}

/** Whether a network pads as TensorFlow does: some window has more padding on one side than on the other. */
export function padsSame(nodes: readonly AnyNode[]): boolean {
  return nodes.some((node) => {
    if (!is(node, "conv2d") && !is(node, "maxPool2d")) return false;
    const [top, left, bottom, right] = node.attributes.padding;
    return top !== bottom || left !== right;
  });
}
