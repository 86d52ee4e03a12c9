import { type Graph, graph, rebuild, valuesOf } from "../ir/graph.ts";
import { type Input, parameter, type Value } from "../ir/value.ts";
import { batchNorm } from "../ops/index.ts";
import { is } from "../ops/nodes.ts";

/**
 * The part of a graph that is drawn. A network in training is drawn as in inference: without its loss (outputs that are
 * scalars), the updates of variables, and the nodes that compute the statistics of a batch for its norms.
 */
export function forwardOf(source: Graph): Graph {
  const all = Object.entries<Value>(source.outputs);
  const kept = all.filter(([, { shape }]) => shape.length > 0);
  const outputs = Object.fromEntries(kept.length > 0 ? kept : all);
  const drawn = rebuild({ ...source, outputs, updates: [] }, (node) => {
    if (!is(node, "batchNorm")) return node;
    const { mean, variance } = node.inputs;
    if (mean.kind !== "node" && variance.kind !== "node") return node;
    const held = (value: Value) => parameter(`${value.name}.drawn`, value.shape as readonly number[]);
    const inputs = { ...node.inputs, mean: held(mean), variance: held(variance) };
    return { ...batchNorm(inputs, node.attributes), name: node.name };
  });
  const read = new Set(valuesOf({ ...drawn, inputs: {} }));
  const inputs = Object.entries<Input>(source.inputs).filter(([, input]) => read.has(input));
  return graph({ ...drawn, inputs: Object.fromEntries(inputs) });
}
