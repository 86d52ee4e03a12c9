import { WeightsError } from "../ir/errors.ts";
import { type Graph, parametersOf, rebuild } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";
import { type Constant, constant, formatShape, type Parameter } from "../ir/value.ts";

/** Named tensors, as a file of weights holds them. */
export interface NamedTensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * The graph with every parameter replaced by its numbers.
 *
 * Throws WeightsError, which lists every parameter that is missing, extra, misshapen or not finite, with what was found.
 * PyTorch's `num_batches_tracked` counters are passed over: no answer depends on them.
 */
export function bind<In extends string, Out extends string>(
  graph: Graph<In, Out>,
  weights: NamedTensors,
): Graph<In, Out> {
  const parameters = parametersOf(graph);
  const names = new Set(parameters.map(({ name }) => name));
  const extra = [...weights.tensors].filter(([name]) => !names.has(name) && !name.endsWith("num_batches_tracked"));
  const problems = [
    ...parameters.flatMap((parameter) => problemOf(parameter, weights.tensors.get(parameter.name))),
    ...extra.map(([name, { shape }]) => `${name} is extra: found ${formatShape(shape)}`),
  ];
  if (problems.length > 0) throw new WeightsError(describe(graph, parameters.length, problems));
  return bindKnown(graph, weights.tensors);
}

function bindKnown<In extends string, Out extends string>(
  graph: Graph<In, Out>,
  tensors: ReadonlyMap<string, Tensor>,
): Graph<In, Out> {
  const bound = new Map<string, Constant>();
  return rebuild(
    graph,
    (node) => node,
    (leaf) => {
      if (leaf.kind === "constant") return leaf;
      const known = bound.get(leaf.name) ?? constant(leaf.name, tensors.get(leaf.name) as Constant["tensor"]);
      bound.set(leaf.name, known);
      return known;
    },
  );
}

function problemOf({ name, shape }: Parameter, found: Tensor | undefined): string[] {
  if (!found) return [`${name} is missing: expected ${formatShape(shape)}`];
  if (found.dtype !== "float32" && found.dtype !== "float64") return [`${name} is ${found.dtype}, expected float32`];
  if (found.shape.join() !== shape.join()) {
    return [`${name} is misshapen: found ${formatShape(found.shape)}, expected ${formatShape(shape)}`];
  }
  const index = found.source?.firstNonFinite ?? firstNonFinite(found.data);
  return index < 0 ? [] : [`${name} is not finite: found ${found.data[index]} at index ${index}`];
}

/** -1 where all are finite. */
function firstNonFinite(data: Float32Array | Float64Array): number {
  return data.findIndex((value) => !Number.isFinite(value));
}

function describe(graph: Graph, parameters: number, problems: readonly string[]): string {
  const heading = `${problems.length} ${problems.length === 1 ? "problem" : "problems"} between these weights and ${graph.name}, which has ${parameters} parameters`;
  return `${heading}; use weights made for this model, or build the model they were made for:\n  ${problems.join("\n  ")}`;
}
