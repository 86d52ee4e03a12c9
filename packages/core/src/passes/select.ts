import { ShapeError } from "../ir/errors.ts";
import type { Graph } from "../ir/graph.ts";
import type { Value } from "../ir/value.ts";
import { CAM, classActivationMap } from "./class-activation-map.ts";
import { finder, unknownName } from "./find-value.ts";

/** `select` for names that the compiler does not know. */
export function select<In extends string, Name extends string>(
  graph: Graph<In>,
  names: string extends Name ? readonly Name[] : never,
): Graph<In>;

/**
 * The graph with other outputs: `select(graph, ["logits", "layer3", "layer4.2.relu"])`. A name is the name of an
 * output, of a stage or block (an alias), or of any value. Nodes that no output needs are dropped.
 *
 * `cam` gives the class activation maps of a classifier, [N, classes, H, W]. They are computed only if selected, and
 * only for bound graphs (`classActivationMap`).
 *
 * S1  each name exists in the graph. After `optimize`, values inside a fused node have no names: select first.
 */
export function select<
  In extends string,
  Out extends string,
  Names extends string,
  const Name extends NoInfer<Out | Names>,
>(graph: Graph<In, Out, Names>, names: readonly Name[]): Graph<In, Name, Names>;
export function select(graph: Graph, names: readonly string[]): Graph {
  const known = finder(graph);
  const find = (name: string): Value => {
    const value = known(name);
    if (value) return value;
    if (name === CAM) return classActivationMap(graph);
    const wayOut = "residual summary lists all, which can be selected before optimize";
    throw new ShapeError("select.S1", `${unknownName(graph, name)}; ${wayOut}`);
  };
  const outputs = Object.fromEntries(names.map((name) => [name, find(name)]));
  const same =
    names.length === Object.keys(graph.outputs).length && names.every((name) => graph.outputs[name] === outputs[name]);
  return same ? graph : { ...graph, outputs };
}
