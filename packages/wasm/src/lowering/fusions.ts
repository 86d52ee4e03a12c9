import { type AnyNode, type Graph, is, type Node, nodesOf, usesOf, type Value } from "@residual/core";

type Norm = AnyNode & Node<"batchNorm">;

/** A batch norm, and what follows it in the same kernel: the addition of a residual, a ReLU, or both. */
interface FusedNorm {
  readonly norm: Norm;
  readonly sum?: AnyNode & Node<"add">;
  /** The operand of the sum that is not the norm. */
  readonly residual?: "a" | "b";
  readonly relu: boolean;
}

/** Nodes of a graph that are computed together. */
export interface Fusions {
  /** By the last node, whose value is computed. */
  readonly norms: ReadonlyMap<Value, FusedNorm>;
  /** Nodes whose values are not computed, since the last node of a fusion is their only reader. */
  readonly inner: ReadonlySet<Value>;
  /** Means that are computed together with the variance of the same images. */
  readonly means: ReadonlySet<Value>;
}

export function fusionsOf(graph: Graph): Fusions {
  const uses = usesOf(graph);
  const hasSingleReader = (value: Value) => uses.get(value) === 1;
  const normsOf = (last: AnyNode): FusedNorm | undefined => {
    const relu = is(last, "relu");
    const value: Value = relu ? last.inputs.x : last;
    if (relu && !hasSingleReader(value)) return undefined;
    if (is(value, "batchNorm")) return relu ? { norm: value, relu } : undefined;
    if (!is(value, "add")) return undefined;
    const { a, b } = value.inputs;
    if (is(a, "batchNorm") && hasSingleReader(a)) return { norm: a, sum: value, residual: "b", relu };
    if (is(b, "batchNorm") && hasSingleReader(b)) return { norm: b, sum: value, residual: "a", relu };
    return undefined;
  };
  const norms = new Map<Value, FusedNorm>();
  const inner = new Set<Value>();
  const means = new Set<Value>();
  for (const node of nodesOf(graph).toReversed()) {
    const fused = inner.has(node) ? undefined : normsOf(node);
    if (fused) {
      norms.set(node, fused);
      inner.add(fused.norm);
      if (fused.sum && fused.sum !== node) inner.add(fused.sum);
    }
    if (is(node, "batchVariance") && isMeanOf(node.inputs.mean, node.inputs.x)) means.add(node.inputs.mean);
  }
  return { norms, inner, means };
}

/** Whether a value is the mean over the batch of x. */
export function isMeanOf(mean: Value, x: Value): boolean {
  return is(mean, "batchMean") && mean.inputs.x === x;
}
