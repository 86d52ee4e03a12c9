import { type AnyNode, type Graph, is, type Node, nodesOf, usesOf, type Value } from "@residual/core";

/** A batch norm in training with the add and the ReLU after it, which one kernel computes. */
interface NormEnd {
  readonly norm: AnyNode & Node<"batchNorm">;
  readonly sum?: AnyNode | undefined;
  /** The input of the sum that is not the norm. */
  readonly residual?: "a" | "b" | undefined;
  readonly relu: boolean;
}

export interface NormEnds {
  /** By the last node of each. */
  readonly ends: ReadonlyMap<Value, NormEnd>;
  /** The nodes before the last. */
  readonly held: ReadonlySet<Value>;
}

/**
 * The norms whose add or ReLU belongs to them: no other node reads what is between. If both operands of an add are
 * norms,
 * it belongs to the first.
 */
export function normEndsOf(graph: Graph): NormEnds {
  const nodes = nodesOf(graph);
  const uses = usesOf(graph);
  const readers = new Map<Value, AnyNode>();
  for (const node of nodes) for (const value of Object.values(node.inputs)) readers.set(value, node);
  const onlyReader = (value: Value) => (uses.get(value) === 1 ? readers.get(value) : undefined);
  const ends = new Map<Value, NormEnd>();
  const held = new Set<Value>();
  for (const norm of nodes) {
    if (!is(norm, "batchNorm") || !is(norm.inputs.mean, "batchMean")) continue;
    const next = onlyReader(norm);
    const sum = is(next, "add") && !held.has(next) && !ends.has(next) ? next : undefined;
    const last = sum ? onlyReader(sum) : next;
    const positive = is(last, "relu") ? last : undefined;
    const end = positive ?? sum;
    if (!end) continue;
    const residual = sum && (sum.inputs.a === norm ? "b" : "a");
    ends.set(end, { norm, sum, residual, relu: positive !== undefined });
    held.add(norm);
    if (sum && positive) held.add(sum);
  }
  return { ends, held };
}
