import type { AnyNode, Value } from "../ir/value.ts";
import { fusedConv2d } from "../ops/index.ts";
import { is, type Node } from "../ops/nodes.ts";
import { type Pass, rewrite } from "./rewrite.ts";

/**
 * Elementwise ops after a convolution become part of it: `relu(conv2d(x) + residual)` is one `fusedConv2d`, which is
 * defined as that expression. The convolution must have no other reader. If both operands of an add are convolutions,
 * the first (the block's branch) is fused, and the second (the shortcut's) becomes its residual.
 */
export const fuseEpilogues: Pass = (graph) =>
  rewrite(graph, {
    add(sum, hasSingleReader) {
      const { a, b } = sum.inputs;
      if (hasSingleReader("a") && is(a, "conv2d")) return withResidual(a, b);
      if (hasSingleReader("b") && is(b, "conv2d")) return withResidual(b, a);
      return sum;
    },
    relu(positive, hasSingleReader) {
      const { x } = positive.inputs;
      const fusable = is(x, "conv2d") || (is(x, "fusedConv2d") && !x.attributes.relu);
      return fusable && hasSingleReader("x") ? fusedConv2d(x.inputs, { ...x.attributes, relu: true }) : positive;
    },
  });

function withResidual(conv: Node<"conv2d">, residual: Value): AnyNode {
  return fusedConv2d({ ...conv.inputs, residual }, conv.attributes);
}
