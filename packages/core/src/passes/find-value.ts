import { type Graph, valuesOf } from "../ir/graph.ts";
import { nearestFirst, shortList, shortText } from "../ir/messages.ts";
import type { Value } from "../ir/value.ts";

/** Finds values by the name of an output, of a stage or block (an alias), or of any value. */
export function finder(graph: Graph): (name: string) => Value | undefined {
  const byName = new Map(valuesOf(graph).map((value) => [value.name, value]));
  return (name) => own(graph.outputs, name) ?? byName.get(own(graph.aliases, name) ?? name);
}

/** The text of a message for a name that no value has: the stages, or all names if the name lies inside a block. */
export function unknownName(graph: Graph, name: string): string {
  const nodes = valuesOf(graph).flatMap((value) => (value.kind === "node" ? [value.name] : []));
  const all = [...new Set([...Object.keys(graph.aliases), ...Object.keys(graph.outputs), ...nodes])];
  const alike = name.includes(".") ? all : all.filter((each) => !each.includes("."));
  const nearest = nearestFirst(shortText(name), alike).slice(0, 8);
  return `${graph.name} has no value ${shortText(name)}; nearest are ${shortList(nearest)}`;
}

/** Own properties only: no value is named `constructor` unless the graph has such a value. */
function own<T>(record: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
