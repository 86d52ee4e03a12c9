import { type AnyNode, type InputsOf, type Lowering, type Shape, sizeOf } from "@residual/core";
import { type Builder, imagesOfShape, type Operand, sizesOf } from "../builder.ts";
import { v128 } from "../encode/expression.ts";
import { expand, type Shapes, sum } from "../kernels/broadcast.ts";
import { type Elementwise, type PixelInput, pixelwise } from "../kernels/elementwise.ts";
import { flat, total } from "../kernels/flat.ts";
import { reluGradient } from "../kernels/gradients.ts";

import { formatLayout, hasBorder, type ImageLayout, imageBytes, isDense, layoutOf } from "../layout.ts";
import type { Images } from "../plan.ts";
import type { Context } from "./context.ts";

const inputNames = ["a", "b", "c"] as const;
const scalarNames = ["p", "q", "r"] as const;

/**
 * y = f(x…, scalars…) for inputs of the shape of y. If all inputs are in the host's order, as variables are, so is y;
 * if not, all are in quads. Memory of one layout without borders is read as one row.
 */
export function elementwise(
  context: Context,
  node: AnyNode,
  operation: Elementwise,
  inputs: readonly Operand[],
  scalars: readonly Operand[] = [],
): Operand {
  const { builder } = context;
  const isHost = inputs.every(({ layout }) => isDense(layout));
  const y = isHost ? layoutOf(sizesOf(node.shape), "host") : context.layoutOf(node);
  const layouts = inputs.map((input) => (isHost ? y : context.quads(input)));
  const reads = [
    ...inputs.map((input, at) => builder.in(input, layouts[at]!)),
    ...scalars.map((scalar) => builder.inHostOrder(scalar)),
  ];
  const held = scalarNames.slice(0, scalars.length);
  const isRow = !hasBorder(y) && layouts.every((layout) => formatLayout(layout) === formatLayout(y));
  if (isRow) {
    const { perImage, count } = countOf(node.shape, y);
    const kernel = flat(operation, inputNames.slice(0, inputs.length), held, perImage);
    return builder.emit(node.name, node.shape, y, kernel, reads, count);
  }
  const pixels = layouts.map((layout, at): PixelInput => ({ operand: inputNames[at]!, layout }));
  return builder.emit(node.name, node.shape, y, pixelwise(operation, pixels, y, held), reads);
}

/** The numbers of a value in memory, for kernels that count numbers as images; an open batch is counted by images. */
function countOf(shape: Shape, layout: ImageLayout): { readonly perImage: number; readonly count: Images } {
  const images = imagesOfShape(shape);
  const numbers = imageBytes(layout) / 4;
  return images === "N" ? { perImage: numbers, count: "N" } : { perImage: 1, count: images * numbers };
}

/** Two shapes, with an open batch as 2 images. */
function shapesOf(small: Shape, large: Shape): Shapes {
  const closed = (shape: Shape) => shape.map((size) => (size === "N" ? 2 : size));
  return { small: closed(small), large: closed(large), isOpen: large[0] === "N" };
}

/** A value repeated to a shape, in the host's order. */
function expanded({ builder }: Context, name: string, x: Operand, shape: Shape): Operand {
  const { kernel, images } = expand(shapesOf(x.shape, shape));
  return builder.emitHost(name, shape, kernel, [builder.inHostOrder(x)], images);
}

/** Whether a vector has a number for each channel of an image: [1, C, 1, 1] or [N, C, 1, 1]. */
function isPerChannel(vector: Shape, image: Shape): boolean {
  const [, c, h, w] = vector;
  return image.length === 4 && vector.length === 4 && c === image[1] && h === 1 && w === 1;
}

const isImage = ({ layout }: Operand): boolean => layout.order === "quads" && !isDense(layout);

/** f(a, b), where b broadcasts to a. */
function broadcast(
  context: Context,
  node: AnyNode,
  operation: Elementwise,
  { a, b }: InputsOf<"times", Operand>,
): Operand {
  if (b.shape.length === 0) return elementwise(context, node, operation, [a], [b]);
  if (a.shape.join() === b.shape.join()) return elementwise(context, node, operation, [a, b]);
  if (isImage(a) && isPerChannel(b.shape, a.shape)) {
    return context.emit(node, [a, b], ([left, right], y) => {
      const isShared = b.shape[0] === 1;
      const inputs: readonly PixelInput[] = [
        { operand: "a", layout: left! },
        { operand: "b", layout: right!, isShared },
      ];
      return pixelwise(operation, inputs, y);
    });
  }
  return elementwise(context, node, operation, [a, expanded(context, node.name, b, a.shape)]);
}

const product: Elementwise = { name: "times", make: (_, [a, b]) => v128.mul(a!, b!) };
const quotient: Elementwise = { name: "divide", make: (_, [a, b]) => v128.div(a!, b!) };
const root: Elementwise = { name: "sqrt", make: (_, [x]) => v128.sqrt(x!) };
const identity: Elementwise = { name: "x", make: (_, [x]) => x! };

function affine(factor: number, offset: number): Elementwise {
  return {
    name: `affine ${factor} ${offset}`,
    make(_, [x]) {
      const scaled = factor === 1 ? x! : v128.mul(x!, v128.const(factor));
      return offset === 0 ? scaled : v128.add(scaled, v128.const(offset));
    },
  };
}

type Rows = Pick<
  Lowering<Operand>,
  "affine" | "times" | "divide" | "sqrt" | "reluGradient" | "expand" | "sum" | "reshape"
>;

/** The rows of ops that process number by number, and of those that change shapes. */
export function elementwiseRows(context: Context): Rows {
  const { builder } = context;
  return {
    affine: (node, { x }) => elementwise(context, node, affine(node.attributes.factor, node.attributes.offset), [x]),
    times: (node, inputs) => broadcast(context, node, product, inputs),
    divide: (node, inputs) => broadcast(context, node, quotient, inputs),
    sqrt: (node, { x }) => elementwise(context, node, root, [x]),
    reluGradient: (node, { y, dy }) => elementwise(context, node, reluGradient, [y, dy]),
    expand(node, { x }) {
      if (x.shape.join() === node.shape.join()) return { ...x, shape: node.shape };
      if (!isPerChannel(x.shape, node.shape)) return expanded(context, node.name, x, node.shape);
      return context.emit(node, [x], ([layout], y) =>
        pixelwise({ ...identity, name: "expand" }, [{ operand: "x", layout: layout!, isShared: x.shape[0] === 1 }], y),
      );
    },
    sum(node, { x }) {
      const shapes = shapesOf(node.shape, x.shape);
      if (sizeOf(shapes.small) === 1) return summed(context, node, identity, x);
      const { kernel, images } = sum(shapes);
      return builder.emitHost(node.name, node.shape, kernel, [builder.inHostOrder(x)], images);
    },
    reshape: (node, { x }) => reshaped(builder, x, node.shape),
  };
}

/** The sum of f(x) over all numbers of x, plus a total. */
export function summed(
  { builder }: Context,
  node: AnyNode,
  operation: Elementwise,
  x: Operand,
  before?: Operand,
): Operand {
  const { perImage, count } = countOf(x.shape, layoutOf(sizesOf(x.shape), "host"));
  const reads = [x, ...(before ? [before] : [])].map((each) => builder.inHostOrder(each));
  return builder.emitHost(node.name, node.shape, total(operation, before !== undefined, perImage), reads, count);
}

/** The same numbers in the host's order, under another shape. */
function reshaped(builder: Builder, x: Operand, shape: Shape): Operand {
  const images = imagesOfShape(shape);
  const [own, other] = [layoutOf(sizesOf(x.shape)), layoutOf(sizesOf(shape))];
  const isSame = x.images === images && formatLayout(own) === formatLayout(other);
  if (isSame) return { ...x, shape };
  const layout = layoutOf(sizesOf(shape), "host");
  if ("constant" in x.from) return { ...x, shape, layout, images };
  return { shape, layout, images, from: { place: builder.inHostOrder(x) } };
}
