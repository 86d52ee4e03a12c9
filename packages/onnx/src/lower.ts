import {
  type AnyNode,
  type Attributes,
  type AttributesOf,
  freeName,
  type Graph,
  type Leaf,
  type Lowering,
  lower,
  parametersOf,
  tensorOf,
  UnsupportedError,
  type Value,
} from "@residual/core";
import type { Initializer, Model, OnnxAttribute, OnnxNode } from "./model-proto.ts";

/**
 * A graph as an ONNX model: plain data still, before any byte of it is written. Values keep their names, so that a
 * viewer shows `layer3.5.conv2`, and initializers are named like the parameters they come from.
 *
 * Throws UnsupportedError for open parameters, and for an output named like an input that it is not.
 */
export function lowerToOnnx(graph: Graph): Model {
  checkBound(graph);
  const builder = new ModelBuilder(graph);
  const names = lower(graph, lowering(builder), (leaf) => builder.leaf(leaf));
  for (const [name, value] of Object.entries<Value>(graph.outputs)) builder.output(name, value, names.get(value)!);
  const shapes = (values: Graph["outputs"]) => Object.entries(values).map(([name, { shape }]) => ({ name, shape }));
  return {
    name: graph.name,
    nodes: builder.nodes,
    inputs: shapes(graph.inputs),
    outputs: shapes(graph.outputs),
    initializers: [...builder.weights, ...builder.numbers],
    metadata: {},
  };
}

/** Refuses open parameters. */
function checkBound(graph: Graph): void {
  const [open, ...others] = parametersOf(graph);
  if (!open) return;
  const count = others.length + 1;
  throw new UnsupportedError(`onnx: ${count} parameters of ${graph.name} are open (${open.name}, …); bind them first`);
}

/** What each op becomes. A T is the name of an ONNX value. onnxruntime fuses the parts of composite ops itself. */
const lowering = (model: ModelBuilder): Lowering<string> => ({
  add: (node, { a, b }) => model.emit("Add", node, [a, b]),
  averagePool2d: (node, { x }) => model.emit("AveragePool", node, [x], averagePool(node)),
  batchNorm: (node, { x, scale, shift, mean, variance }) =>
    model.emit("BatchNormalization", node, [x, scale, shift, mean, variance], {
      epsilon: { float: node.attributes.epsilon },
    }),
  conv2d: (node, { x, weight, bias }) => model.emit("Conv", node, [x, weight, bias], convolution(node)),
  flatten: (node, { x }) => model.emit("Flatten", node, [x], { axis: { int: 1 } }),
  globalAveragePool: (node, { x }) => model.emit("GlobalAveragePool", node, [x]),
  linear: (node, { x, weight, bias }) => model.emit("Gemm", node, [x, weight, bias], { transB: { int: 1 } }),
  logSoftmax: (node, { x }) => model.emit("LogSoftmax", node, [x], { axis: { int: 1 } }),
  maxPool2d: (node, { x }) =>
    model.emit("MaxPool", node, [x], { ...windowOf(node.attributes), pads: { ints: node.attributes.padding } }),
  multiply: (node, { x, gate }) => model.emit("Mul", node, [x, gate]),
  padChannels(node, { x }) {
    const { before, after } = node.attributes;
    return model.emit("Pad", node, [x, model.whole(node, "pads", [0, before, 0, 0, 0, after, 0, 0])]);
  },
  relu: (node, { x }) => model.emit("Relu", node, [x]),
  sigmoid: (node, { x }) => model.emit("Sigmoid", node, [x]),
  softmax: (node, { x }) => model.emit("Softmax", node, [x], { axis: { int: 1 } }),
  subsample(node, { x }) {
    const [, , height, width] = node.inputs.x.shape as readonly number[];
    const parameters = { starts: [0, 0], ends: [height!, width!], axes: [2, 3], steps: node.attributes.stride };
    const names = Object.entries(parameters).map(([key, list]) => model.whole(node, key, list));
    return model.emit("Slice", node, [x, ...names]);
  },
});

type OnnxAttributes = OnnxNode["attributes"];

function convolution({
  attributes,
  inputs,
}: {
  attributes: AttributesOf<"conv2d">;
  inputs: { weight: Value };
}): OnnxAttributes {
  const { stride, padding, dilation, groups } = attributes;
  return {
    kernel_shape: { ints: inputs.weight.shape.slice(2) as number[] },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
    group: { int: groups },
  };
}

/**
 * A last window that sticks out is written as padding that does not count: the size is then what `node.shape` says,
 * whereas releases of onnxruntime read ceil_mode differently, and give no pixel for a window larger than the image.
 */
function averagePool(
  node: AnyNode & { attributes: AttributesOf<"averagePool2d">; inputs: { x: Value } },
): OnnxAttributes {
  const { window, stride } = node.attributes;
  const outside = [0, 1].map((axis) => {
    const [size, steps] = [node.inputs.x.shape[axis + 2] as number, node.shape[axis + 2] as number];
    return Math.max((steps - 1) * stride[axis]! + window[axis]! - size, 0);
  });
  return { ...windowOf(node.attributes), pads: { ints: [0, 0, ...outside] }, count_include_pad: { int: 0 } };
}

function windowOf({ window, stride }: Attributes & { window: readonly number[]; stride: readonly number[] }): {
  [name: string]: OnnxAttribute;
} {
  return { kernel_shape: { ints: window }, strides: { ints: stride } };
}

/** Collects nodes and constants, and sees that no two values share a name. */
class ModelBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly weights: Initializer[] = [];
  readonly numbers: Initializer[] = [];
  readonly #graph: Graph;
  readonly #taken: Set<string>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#taken = new Set([...Object.keys(graph.inputs), ...Object.keys(graph.outputs)]);
  }

  /** One operator for a node. An input left out at the end is not written. */
  emit(
    operator: string,
    node: AnyNode,
    inputs: readonly (string | undefined)[],
    attributes: OnnxAttributes = {},
  ): string {
    return this.#add(operator, this.#nameOf(node), inputs, attributes);
  }

  /** Whole numbers that an operator takes as an input. */
  whole(node: AnyNode, purpose: string, list: readonly number[]): string {
    const name = this.#free(`${node.name}/${purpose}`);
    this.numbers.push({ name, source: tensorOf("int64", [list.length], BigInt64Array.from(list, BigInt)) });
    return name;
  }

  leaf(leaf: Leaf): string {
    if (leaf.kind === "variable")
      throw new UnsupportedError(`onnx: ${leaf.name} is a variable, which no model file has`);
    if (leaf.kind !== "constant") return leaf.name;
    const name = this.#free(leaf.name);
    this.weights.push({ name, source: leaf.source });
    return name;
  }

  /** Gives a value the name of an output, unless it has it. */
  output(name: string, value: Value, found: string): void {
    if (found === name) return;
    const clash = `onnx: output ${name} of ${this.#graph.name} is ${value.name}, yet an input has its name; rename one`;
    if (Object.hasOwn(this.#graph.inputs, name)) throw new UnsupportedError(clash);
    this.#add("Identity", name, [found], {});
  }

  #add(operator: string, name: string, inputs: readonly (string | undefined)[], attributes: OnnxAttributes): string {
    const given = inputs.filter((input) => input !== undefined);
    this.nodes.push({ operator, name, inputs: given, output: name, attributes });
    return name;
  }

  /** A node's own name, unless an output of another value has it. */
  #nameOf(node: AnyNode): string {
    return this.#graph.outputs[node.name] === node ? node.name : this.#free(node.name);
  }

  #free(wanted: string): string {
    return freeName(wanted, this.#taken);
  }
}
