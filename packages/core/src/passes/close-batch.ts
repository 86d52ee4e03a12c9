import { checkWhole } from "../ir/define-op.ts";
import { type Graph, graph, replaceValues } from "../ir/graph.ts";
import { mapValues } from "../ir/names.ts";
import { concrete, type Input, input, named, type Value } from "../ir/value.ts";
import { applyOp } from "../ops/nodes.ts";

/**
 * The graph for batches of `batch` images: the open batch of each input, and of all that is computed from it, becomes a
 * number. A graph whose batch is closed stays as it is. The shapes of nodes are computed anew by their ops.
 *
 * B1  batch is whole and at least 1.
 */
export function closeBatch<In extends string, Out extends string, Names extends string>(
  source: Graph<In, Out, Names>,
  batch: number,
): Graph<In, Out, Names> {
  checkWhole([batch], 1, "closeBatch.B1", "the batch");
  const isOpen = ({ shape: [n] }: Value) => n === "N";
  if (!Object.values<Input>(source.inputs).some(isOpen)) return source;
  const replaced = replaceValues(
    source,
    (node) => (isOpen(node) ? named(node.name, applyOp(node.op, node.inputs, node.attributes)) : node),
    (leaf) => (leaf.kind === "input" && isOpen(leaf) ? input(leaf.name, concrete(leaf.shape, batch)) : leaf),
  );
  const of = <V extends Value>(value: V) => replaced.get(value) as V;
  return graph({
    ...source,
    inputs: mapValues<Input, Input>(source.inputs, of) as { readonly [K in In]: Input },
    outputs: mapValues<Value, Value>(source.outputs, of) as { readonly [K in Out]: Value },
    updates: source.updates.map(({ variable, value }) => ({ variable, value: of(value) })),
  });
}
