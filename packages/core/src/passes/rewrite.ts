import { type Graph, rebuild, usesOf } from "../ir/graph.ts";
import type { AnyNode, Value } from "../ir/value.ts";
import type { Node, OpName } from "../ops/nodes.ts";

/** Graph to graph, with the same outputs. The docstring of each pass is its proof. */
export type Pass = <In extends string, Out extends string, Names extends string>(
  graph: Graph<In, Out, Names>,
) => Graph<In, Out, Names>;

/** Whether this node is the only reader of its input of that name. */
type HasSingleReader = (input: string) => boolean;

/** The replacement of a node, per op; a rule returns the node itself to keep it. Ops without a rule stay. */
export type Rules = {
  readonly [Name in OpName]?: (node: AnyNode & Node<Name>, hasSingleReader: HasSingleReader) => Value;
};

/**
 * Applies the rules bottom up until none of them changes anything, so that a second call changes nothing. Nodes that no
 * rule changes keep their identity. A new node takes the name of the node that it replaces.
 */
export function rewrite<In extends string, Out extends string, Names extends string>(
  graph: Graph<In, Out, Names>,
  rules: Rules,
): Graph<In, Out, Names> {
  const uses = usesOf(graph);
  const next = rebuild(graph, (node, original) => {
    const rule = rules[node.op as OpName] as ((node: AnyNode, hasSingleReader: HasSingleReader) => Value) | undefined;
    const replaced = rule?.(node, (input) => uses.get(original.inputs[input]!) === 1) ?? node;
    const unnamed = replaced.kind === "node" && replaced.name === "";
    return unnamed ? { ...replaced, name: node.name } : replaced;
  });
  return next === graph ? graph : rewrite(next, rules);
}
