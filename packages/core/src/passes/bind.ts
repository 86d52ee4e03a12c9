import { WeightsError } from "../ir/errors.ts";
import { type Graph, parametersOf, rebuild } from "../ir/graph.ts";
import { shortList } from "../ir/messages.ts";
import { firstNonFinite, isTensor, type NamedSource, type Source } from "../ir/source.ts";
import { type Constant, constant, formatShape, type Parameter } from "../ir/value.ts";

/** Named sources, as a file of weights holds them. */
export interface NamedSources {
  readonly tensors: ReadonlyMap<string, NamedSource>;
}

/**
 * The graph with every parameter replaced by where its numbers come from. Nothing is read but what is in memory.
 *
 * Throws WeightsError where a parameter is missing, extra, misshapen or not finite: it counts these problems, and lists
 * the first ten with what was found. PyTorch's `num_batches_tracked` counters are passed over: no answer depends on
 * them.
 */
export function bind<In extends string, Out extends string, Names extends string>(
  graph: Graph<In, Out, Names>,
  weights: NamedSources,
): Graph<In, Out, Names> {
  const parameters = parametersOf(graph);
  const names = new Set(parameters.map(({ name }) => name));
  const extra = [...weights.tensors].filter(([name]) => !names.has(name) && !name.endsWith("num_batches_tracked"));
  const problems = [
    ...parameters.flatMap((parameter) => problemOf(parameter, weights.tensors.get(parameter.name))),
    ...extra.map(([name, { shape }]) => `${name} is extra: found ${formatShape(shape)}`),
  ];
  if (problems.length > 0) throw new WeightsError(describe(graph, parameters.length, problems));
  const bound = new Map<string, Constant>();
  return rebuild(
    graph,
    (node) => node,
    (leaf) => {
      if (leaf.kind === "constant") return leaf;
      const known = bound.get(leaf.name) ?? constant(leaf.name, realSource(weights.tensors.get(leaf.name))!);
      bound.set(leaf.name, known);
      return known;
    },
  );
}

function problemOf({ name, shape }: Parameter, given: NamedSource | undefined): string[] {
  if (!given) return [`${name} is missing: expected ${formatShape(shape)}`];
  const source = realSource(given);
  if (!source) return [`${name} is ${given.dtype}, expected float32`];
  if (source.shape.join() !== shape.join()) {
    return [`${name} is misshapen: found ${formatShape(source.shape)}, expected ${formatShape(shape)}`];
  }
  const index = firstNonFinite(source);
  const found = isTensor(source) ? source.data[index] : "NaN or infinity";
  return index < 0 ? [] : [`${name} is not finite: found ${found} at index ${index}`];
}

/** Undefined for whole numbers. */
function realSource(found: NamedSource | undefined): Source | undefined {
  return found?.dtype === "float32" || found?.dtype === "float64" ? found : undefined;
}

function describe(graph: Graph, parameters: number, problems: readonly string[]): string {
  const heading = `${problems.length} ${problems.length === 1 ? "problem" : "problems"} between these weights and ${graph.name}, which has ${parameters} parameters`;
  return `${heading}; use weights made for this model, or build the model they were made for:\n  ${shortList(problems, "\n  ")}`;
}
