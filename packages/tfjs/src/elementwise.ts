import { type AnyNode, type Lowering, type Shape, sizeOf } from "@residual/core";
import type { Dialect } from "./dialect.ts";
import type { Operand, ProgramBuilder } from "./program-builder.ts";

/** NCHW axes in NHWC. */
const AXES = [0, 3, 1, 2] as const;

/** Whether a value lies in the graph's order: a weight, or what is computed from weights alone. */
function isPlain(operand: Operand): boolean {
  return typeof operand !== "string" && operand.kind !== "input";
}

/** An operation that processes number by number. Weights stay in the graph's order; images are NHWC. */
function elementwise(
  to: ProgramBuilder,
  node: Pick<AnyNode, "name" | "shape">,
  operands: readonly Operand[],
  emit: (inputs: readonly string[], name: string) => string,
): Operand {
  const { name, shape } = node;
  const areWeights = shape.length === 4 && operands.every(isPlain);
  if (!areWeights)
    return emit(
      operands.map((each) => to.channelsLast(each)),
      name,
    );
  return {
    kind: "plain",
    name: emit(
      operands.map((each) => to.plain(each)),
      name,
    ),
    shape,
  };
}

/** The shape of the operator's tensor. */
function operatorShape(shape: readonly number[]): readonly number[] {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return shape.length === 4 ? [n, h, w, c] : shape;
}

/** Σ x per channel, [C], of images or rows. With a fixed batch a product with ones, if the dialect prefers it. */
function channelSum(to: ProgramBuilder, dialect: Dialect, name: string, x: string, shape: Shape): string {
  const [n, channels, ...size] = shape as readonly [number | "N", number, ...number[]];
  if (n === "N" || !dialect.sumsByProducts) {
    const axes = size.length === 0 ? [0] : [0, 1, 2];
    return to.emit("Sum", name, [x], { axes, keepDims: false });
  }
  // first over images, then over pixels, so that no sum has more than some hundred terms
  const pixels = sizeOf(size);
  const sums = (from: string, own: string, rows: number, columns: number): string => {
    const matrix = to.emit("Reshape", `${own}/matrix`, [from], { shape: [rows, columns] });
    return to.emit("MatMul", own, [to.ones(rows), matrix], {});
  };
  const ofPixels = sums(x, `${name}/pixels`, n, pixels * channels);
  const all = pixels === 1 ? ofPixels : sums(ofPixels, `${name}/channels`, pixels, channels);
  return to.emit("Reshape", name, [all], { shape: [channels] });
}

type Rows = Pick<
  Lowering<Operand>,
  | "add"
  | "affine"
  | "batchNormScaleGradient"
  | "batchVariance"
  | "channelSum"
  | "divide"
  | "expand"
  | "reshape"
  | "sqrt"
  | "sum"
  | "times"
>;

export function elementwiseRows(to: ProgramBuilder, dialect: Dialect): Rows {
  const binary =
    (operator: "AddV2" | "Mul" | "RealDiv") =>
    (node: AnyNode, { a, b }: { a: Operand; b: Operand }) =>
      elementwise(to, node, [a, b], (inputs, name) => to.emit(operator, name, inputs, {}));
  return {
    add: binary("AddV2"),
    affine: (node, { x }) =>
      elementwise(to, node, [x], ([from = ""], name) => {
        const { factor, offset } = node.attributes;
        const scaled =
          factor === 1 ? from : to.emit("Mul", offset === 0 ? name : `${name}/scaled`, [from, to.scalar(factor)], {});
        return offset === 0 ? scaled : to.emit("AddV2", name, [scaled, to.scalar(offset)], {});
      }),
    batchNormScaleGradient(node, { x, dy, mean, variance }) {
      const { name, attributes } = node;
      const difference = to.emit("Sub", `${name}/difference`, [to.channelsLast(x), to.channelsLast(mean)], {});
      const products = to.emit("Mul", `${name}/products`, [difference, to.channelsLast(dy)], {});
      const sum = channelSum(to, dialect, `${name}/sum`, products, node.inputs.x.shape);
      const raised = to.emit("AddV2", `${name}/raised`, [to.channelsLast(variance), to.scalar(attributes.epsilon)], {});
      const deviation = to.emit("Sqrt", `${name}/deviation`, [raised], {});
      return to.emit("RealDiv", name, [sum, deviation], {});
    },
    batchVariance(node, { x, mean }) {
      const { name } = node;
      const [n, , h, w] = node.inputs.x.shape as readonly number[];
      const difference = to.emit("Sub", `${name}/difference`, [to.channelsLast(x), to.channelsLast(mean)], {});
      const squares = to.emit("Mul", `${name}/squares`, [difference, difference], {});
      const sum = channelSum(to, dialect, `${name}/sum`, squares, node.inputs.x.shape);
      return to.emit("Mul", name, [sum, to.scalar(1 / (n! * h! * w!))], {});
    },
    channelSum: (node, { x }) => channelSum(to, dialect, node.name, to.channelsLast(x), node.inputs.x.shape),
    divide: binary("RealDiv"),
    expand(node, { x }) {
      const small = node.inputs.x.shape;
      // 1 where x has the size already, which may be an open batch
      const repeats = node.shape.map((size, axis) => (small.length > 0 && small[axis] === size ? 1 : (size as number)));
      const shape = operatorShape(repeats);
      const ones = to.numbers(`${node.name}/ones`, shape, new Float32Array(sizeOf(shape)).fill(1));
      return to.emit("Mul", node.name, [to.channelsLast(x), ones], {});
    },
    reshape(node, { x }) {
      const { shape } = node.attributes;
      const plain = to.channelsFirst(`${node.name}/channels-first`, node.inputs.x, x);
      const name = to.emit("Reshape", node.name, [plain], { shape });
      return node.shape.length === 4 ? { kind: "plain", name, shape: node.shape } : name;
    },
    sqrt: (node, { x }) => elementwise(to, node, [x], (inputs, name) => to.emit("Sqrt", name, inputs, {})),
    sum(node, { x }) {
      const { axes } = node.attributes;
      const { shape } = node.inputs.x;
      const image = to.channelsLast(x);
      if (axes.length === 0) return image;
      const isPerChannel = shape.length === 4 && axes.join() === "0,2,3";
      if (isPerChannel && dialect.sumsByProducts) {
        const sums = channelSum(to, dialect, `${node.name}/sums`, image, shape);
        return to.emit("Reshape", node.name, [sums], { shape: [1, 1, 1, shape[1] as number] });
      }
      const own = shape.length === 4 ? axes.map((axis) => AXES[axis]!).sort((a, b) => a - b) : axes;
      return to.emit("Sum", node.name, [image], { axes: own, keepDims: true });
    },
    times: binary("Mul"),
  };
}
