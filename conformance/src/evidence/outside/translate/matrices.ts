import { type AnyNode, ops, sizeOf } from "@residual/core";
import { expanded, filled, leading, type Operand, permuted, viewed } from "../operand.ts";
import { noOp } from "../refusal.ts";
import type { GemmRequest, MatmulRequest } from "../request.ts";
import { type Leaf, scaled, type Translation } from "./translation.ts";

/** A bias for each column goes into linear. A whole matrix, or a factor, takes further ops. */
export function gemm(request: GemmRequest, leaf: Leaf): Translation {
  const { a, b, c, alpha, beta } = request;
  const [rows, columns] = [a.shape[0]!, b.shape[1]!];
  const weight = permuted(b, [1, 0]);
  const perColumn = c && beta === 1 && alpha === 1 && (c.shape.length < 2 || c.shape[0] === 1);
  const bias = perColumn ? leaf(viewed(expanded(c, [1, columns]), [columns])) : undefined;
  const product = alpha === 1 ? ops.linear({ x: leaf(a), weight: leaf(weight), bias }) : times(a, weight, alpha, leaf);
  if (!c || perColumn) return { y: product };
  return { y: ops.add({ a: product, b: addend(expanded(c, [rows, columns]), beta, leaf) }) };
}

/** The output of linear has rank 2, and no op scales rank 2. So a convolution of single pixels computes the product. */
function times(a: Operand, weight: Operand, alpha: number, leaf: Leaf): AnyNode {
  const product = ops.conv2d({
    x: leaf(viewed(a, [...a.shape, 1, 1])),
    weight: leaf(viewed(weight, [...weight.shape, 1, 1])),
  });
  return ops.flatten({ x: scaled(product, alpha, leaf) });
}

function addend(c: Operand, beta: number, leaf: Leaf) {
  if (beta === 1) return leaf(c);
  return ops.flatten({ x: scaled(leaf(viewed(c, [...c.shape, 1, 1])), beta, leaf) });
}

/** A vector on the left becomes a row. A vector on the right becomes a column. */
export function matmul(request: MatmulRequest, leaf: Leaf): Translation {
  const a = request.a.shape.length === 1 ? viewed(request.a, [1, ...request.a.shape]) : request.a;
  const b = request.b.shape.length === 1 ? viewed(request.b, [...request.b.shape, 1]) : request.b;
  if (sizeOf(b.shape.slice(0, -2)) > 1) return batched(a, b, leaf);
  const [inner, columns] = b.shape.slice(-2) as [number, number];
  const weight = permuted(viewed(b, [inner, columns]), [1, 0]);
  return { y: ops.linear({ x: leaf(viewed(a, [sizeOf(a.shape) / inner, inner])), weight: leaf(weight) }) };
}

/**
 * Products of several matrices as one grouped convolution: x [N, G·K, M, 1] with weight [G·O, K, 1, 1]. N counts the
 * repetitions of b, and G counts the matrices in b.
 */
function batched(a: Operand, b: Operand, leaf: Leaf): Translation {
  const batch = a.shape.slice(0, -2);
  const own = leading(b.shape, a.shape.length).slice(0, -2);
  if (own.some((size, axis) => size > batch[axis]!))
    return noOp(["matmul"], "matrix product that repeats its left side");
  const [rows, inner, columns] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const axes = [...batch.keys()];
  const order = [...axes.filter((axis) => own[axis] === 1), ...axes.filter((axis) => own[axis] !== 1)];
  const groups = sizeOf(own);
  const swapped = [...order, batch.length + 1, batch.length];
  const x = viewed(permuted(a, swapped), [sizeOf(batch) / groups, groups * inner, rows, 1]);
  const kernels = permuted(viewed(b, [groups, inner, columns]), [0, 2, 1]);
  const weight = viewed(kernels, [groups * columns, inner, 1, 1]);
  const layout = (expected: Operand) => permuted(viewed(expected, [...batch, rows, columns]), swapped);
  return { y: ops.conv2d({ x: leaf(x), weight: leaf(weight) }, { groups }), layout };
}

/** Σ over each row of [rows, n]: a linear layer of ones. */
export function rowSums(x: AnyNode, leaf: Leaf): AnyNode {
  return ops.linear({ x, weight: leaf(filled([1, x.shape[1] as number], 1)) });
}
