import { type AnyNode, ops, sizeOf, type Value } from "@residual/core";
import { broadcast, expanded, leading, type Operand, permuted, viewed } from "../operand.ts";
import { noOp } from "../refusal.ts";
import type { BinaryRequest, ClampRequest, LeakyReluRequest, UnaryRequest } from "../request.ts";
import { asImage, atLeast, atMost, type Leaf, negated, scaled, type Translation } from "./translation.ts";

export function unary({ of, x }: UnaryRequest, leaf: Leaf): Translation {
  if (of === "relu") return { y: ops.relu({ x: leaf(x) }) };
  if (of === "sigmoid") return { y: ops.sigmoid({ x: leaf(x) }) };
  if (of === "identity") return { y: ops.subsample({ x: leaf(asImage(x)) }, { stride: 1 }) };
  return { y: ops.sqrt({ x: leaf(asImage(x)) }) };
}

/** relu(x) − alpha · relu(−x). */
export function leakyRelu({ x, alpha }: LeakyReluRequest, leaf: Leaf): Translation {
  const value = leaf(asImage(x));
  const below = scaled(ops.relu({ x: negated(value, leaf) }), -alpha, leaf);
  return { y: ops.add({ a: ops.relu({ x: value }), b: below }) };
}

/** Applies the upper bound last, as ONNX and WebNN do. */
export function clamp({ x, least, most }: ClampRequest, leaf: Leaf): Translation {
  let y: Value = leaf(asImage(x));
  if (least !== undefined) y = atLeast(y, least, leaf);
  if (most !== undefined) y = atMost(y, most, leaf);
  return { y: y.kind === "node" ? y : ops.subsample({ x: y }, { stride: 1 }) };
}

export function binary(request: BinaryRequest, leaf: Leaf): Translation {
  const { of, a, b } = request;
  if (of === "mul") return multiplied(a, b, leaf);
  if (of === "pow") return power(a, b.data, leaf);
  const [left, right] = sameShape(a, b);
  if (of === "add") return { y: ops.add({ a: leaf(left), b: leaf(right) }) };
  if (of === "div") return { y: ops.divide({ a: leaf(asImage(left)), b: leaf(asImage(right)) }) };
  return { y: composed[of](leaf(asImage(left)), leaf(asImage(right)), leaf) };
}

/** a − b; a + relu(b − a); a − relu(a − b). */
const composed = {
  sub: difference,
  max: (a: Value, b: Value, leaf: Leaf) => ops.add({ a, b: ops.relu({ x: difference(b, a, leaf) }) }),
  min: (a: Value, b: Value, leaf: Leaf) => difference(a, ops.relu({ x: difference(a, b, leaf) }), leaf),
};

/** x² is x · x, with x as its own gate. */
function power(x: Operand, exponents: Float64Array, leaf: Leaf): Translation {
  const exponent = exponents[0] ?? Number.NaN;
  const whole = Number.isInteger(exponent) && exponent >= 1 && exponents.every((each) => each === exponent);
  if (!whole) return noOp(["pow", "power"], "power whose exponent varies or is not whole: no op");
  const value = leaf(viewed(x, [1, sizeOf(x.shape), 1, 1]));
  let y: Value = value;
  for (let times = 1; times < exponent; times++) y = ops.multiply({ x: y, gate: value });
  return { y: y.kind === "node" ? y : ops.subsample({ x: y }, { stride: 1 }) };
}

function difference(a: Value, b: Value, leaf: Leaf): AnyNode {
  return ops.add({ a, b: negated(b, leaf) });
}

/**
 * Our add takes equal shapes only. A smaller operand is repeated beforehand, so only the sum is tested, not
 * broadcasting.
 */
function sameShape(a: Operand, b: Operand): readonly [Operand, Operand] {
  const shape = broadcast(a.shape, b.shape);
  const repeat = (each: Operand) => (each.shape.join() === shape.join() ? each : expanded(each, shape));
  return [repeat(a), repeat(b)];
}

/**
 * Multiplies by a gate, as our multiply does. The axes of the smaller operand become channels. The axes along which it
 * repeats become pixels.
 */
function multiplied(a: Operand, b: Operand, leaf: Leaf): Translation {
  const shape = broadcast(a.shape, b.shape);
  const [x, gate] = sizeOf(a.shape) >= sizeOf(b.shape) ? [a, b] : [b, a];
  const sizes = leading(gate.shape, shape.length);
  const channels = [...shape.keys()].filter((axis) => sizes[axis] === shape[axis]);
  const axes = [...channels, ...[...shape.keys()].filter((axis) => !channels.includes(axis))];
  const count = sizeOf(channels.map((axis) => shape[axis]!));
  const front = (each: Operand) => permuted(viewed(each, shape), axes);
  const y = ops.multiply({
    x: leaf(viewed(front(x), [1, count, sizeOf(shape) / count, 1])),
    gate: leaf(viewed(gate, [1, count, 1, 1])),
  });
  return { y, layout: front };
}
