import { check } from "../ir/errors.ts";
import { type Graph, graph, replaceValues, variablesOf } from "../ir/graph.ts";
import { shortList } from "../ir/messages.ts";
import { mapValues } from "../ir/names.ts";
import type { Source } from "../ir/source.ts";
import { formatShape, type Value, type Variable, variable } from "../ir/value.ts";

/**
 * The graph whose variables start as the given numbers: `executable.read` of one run gives the state that another
 * begins with. Variables that are not given keep their sources.
 *
 * V1  each name is that of a variable.
 * V2  each source has the shape of its variable.
 */
export function withVariables<In extends string, Out extends string, Names extends string>(
  source: Graph<In, Out, Names>,
  state: ReadonlyMap<string, Source>,
): Graph<In, Out, Names> {
  const known = new Set(variablesOf(source).map(({ name }) => name));
  const unknown = [...state.keys()].filter((name) => !known.has(name));
  check(unknown.length === 0, "withVariables.V1", `${source.name} has no variables ${shortList(unknown)}`);
  const replaced = replaceValues(
    source,
    (node) => node,
    (leaf) => {
      const given = leaf.kind === "variable" ? state.get(leaf.name) : undefined;
      if (!given) return leaf;
      const found = () => `${leaf.name} is ${formatShape(given.shape)}, expected ${formatShape(leaf.shape)}`;
      check(given.shape.join() === leaf.shape.join(), "withVariables.V2", found);
      return variable(leaf.name, given);
    },
  );
  const of = (value: Value) => replaced.get(value)!;
  return graph({
    ...source,
    outputs: mapValues<Value, Value>(source.outputs, of) as { readonly [K in Out]: Value },
    updates: source.updates.map((update) => ({ variable: of(update.variable) as Variable, value: of(update.value) })),
  });
}
