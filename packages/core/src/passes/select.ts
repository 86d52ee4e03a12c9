import { ShapeError } from "../ir/errors.ts";
import { type Graph, valuesOf } from "../ir/graph.ts";
import { nearestFirst, shortList, shortText } from "../ir/messages.ts";
import type { Value } from "../ir/value.ts";
import { CAM, classActivationMap } from "./class-activation-map.ts";

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
  const byName = new Map(valuesOf(graph).map((value) => [value.name, value]));
  const find = (name: string): Value => {
    const value = own(graph.outputs, name) ?? byName.get(own(graph.aliases, name) ?? name);
    if (value) return value;
    if (name === CAM) return classActivationMap(graph);
    const nearest = nearestFirst(shortText(name), namesLike(name)).slice(0, 8);
    throw new ShapeError(
      "select.S1",
      `${graph.name} has no value ${shortText(name)}; nearest are ${shortList(nearest)}; ` +
        "residual summary lists all, which can be selected before optimize",
    );
  };
  /** The stages; all names of the graph if the wanted name lies inside a block. */
  const namesLike = (name: string) => {
    const nodes = [...byName.values()].filter(({ kind }) => kind === "node").map((value) => value.name);
    const all = [...new Set([...Object.keys(graph.aliases), ...Object.keys(graph.outputs), ...nodes])];
    return name.includes(".") ? all : all.filter((each) => !each.includes("."));
  };
  const outputs = Object.fromEntries(names.map((name) => [name, find(name)]));
  const same =
    names.length === Object.keys(graph.outputs).length && names.every((name) => graph.outputs[name] === outputs[name]);
  return same ? graph : { ...graph, outputs };
}

/** Own properties only: no value is named `constructor` unless the graph has such a value. */
function own<T>(record: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
