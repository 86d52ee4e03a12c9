import { WeightsError } from "../ir/errors.ts";
import { type Graph, nodesOf, parametersOf, rebuild } from "../ir/graph.ts";
import { shortList } from "../ir/messages.ts";
import {
  firstNonFinite,
  isFiniteInFloat32,
  isTensor,
  type LazySource,
  type NamedSource,
  type RealArray,
  type Source,
} from "../ir/source.ts";
import { ownTensor } from "../ir/tensor.ts";
import { type Constant, constant, formatShape, type Parameter, type Value } from "../ir/value.ts";
import { is } from "../ops/nodes.ts";

/** Named sources, as a file of weights holds them. */
export interface NamedSources {
  readonly tensors: ReadonlyMap<string, NamedSource>;
}

/**
 * The graph with every parameter replaced by a constant that holds its source. Reads only numbers in memory.
 *
 * Throws WeightsError if a parameter is missing, extra, of the wrong shape, or not finite in float32, or if a norm
 * cannot divide by its running variance. The error lists the first ten problems, each with what was found. Variances in
 * a file are checked when they are read, and throw then. PyTorch's `num_batches_tracked` counters are ignored: no
 * result depends on them.
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
  const isOfModel =
    extra.length === 0 &&
    parameters.every(({ name, shape }) => weights.tensors.get(name)?.shape.join() === shape.join());
  const advice = isOfModel ? ANOTHER_FILE : "use weights made for this model, or build the model they were made for";
  if (problems.length > 0) throw new WeightsError(describe(graph, parameters.length, problems, advice));
  checkNorms(graph, weights);
  const epsilons = epsilonsOf(graph);
  const bound = new Map<string, Constant>();
  return rebuild(
    graph,
    (node) => node,
    (leaf) => {
      if (leaf.kind === "constant") return leaf;
      const source = realSource(weights.tensors.get(leaf.name))!;
      const epsilon = epsilons.get(leaf);
      const isUnseen = epsilon !== undefined && !isTensor(source);
      const known =
        bound.get(leaf.name) ?? constant(leaf.name, isUnseen ? checkedVariance(source, leaf, epsilon) : source);
      bound.set(leaf.name, known);
      return known;
    },
  );
}

function problemOf({ name, shape }: Parameter, given: NamedSource | undefined): string[] {
  if (!given) return [`${name} is missing: expected ${formatShape(shape)}`];
  if (given.dtype !== "float32" && given.dtype !== "float64") return [`${name} is ${given.dtype}, expected float32`];
  const source = realSource(given);
  if (!source) return [`${name} is damaged: its data do not hold the ${given.dtype} numbers of its shape`];
  if (source.shape.join() !== shape.join()) {
    return [`${name} is misshapen: found ${formatShape(source.shape)}, expected ${formatShape(shape)}`];
  }
  const index = firstNonFinite(source);
  if (index < 0) return [];
  const isWide = source.dtype === "float64";
  const kind = isWide ? "finite in float32" : "finite";
  const unseen = isWide ? "NaN, infinity or a number beyond float32" : "NaN or infinity";
  return [`${name} is not ${kind}: found ${isTensor(source) ? source.data[index] : unseen} at index ${index}`];
}

/** Problems of variances and scales in memory that a norm cannot compute with. */
function checkNorms(graph: Graph, { tensors }: NamedSources): void {
  const numbersOf = ({ kind, name }: Value): RealArray | undefined => {
    const source = kind === "parameter" ? realSource(tensors.get(name)) : undefined;
    return source && isTensor(source) ? source.data : undefined;
  };
  const found = nodesOf(graph).flatMap((node) => {
    if (!is(node, "batchNorm")) return [];
    const { scale, variance } = node.inputs;
    const { epsilon } = node.attributes;
    const variances = numbersOf(variance);
    if (!variances) return [];
    const problem = varianceProblem(variances, variance.name, epsilon);
    return problem ?? scaleProblem(numbersOf(scale) ?? [], scale.name, variances, epsilon) ?? [];
  });
  if (found.length > 0)
    throw new WeightsError(`${graph.name}: ${shortList([...new Set(found)], "; ")}; ${ANOTHER_FILE}`);
}

const ANOTHER_FILE = "use another file of these weights";

function scaleProblem(scales: ArrayLike<number>, name: string, variances: RealArray, epsilon: number) {
  for (let c = 0; c < scales.length; c++) {
    if (isFiniteInFloat32(scales[c]! / Math.sqrt(variances[c]! + epsilon))) continue;
    const divisor = `√(${variances[c]} + ${epsilon})`;
    return `${name} is too large: found ${scales[c]} at index ${c}, and ${scales[c]} / ${divisor} is beyond float32`;
  }
  return undefined;
}

/** A norm divides by √(variance + epsilon), in float32. */
function varianceProblem(variances: RealArray, name: string, epsilon: number, first = 0): string | undefined {
  const index = variances.findIndex((variance) => Math.fround(Math.fround(variance) + Math.fround(epsilon)) <= 0);
  if (index < 0) return undefined;
  const needed = epsilon === 0 ? "above 0" : `above -${epsilon}, for epsilon is ${epsilon}`;
  return `${name} is not a variance: found ${variances[index]} at index ${first + index}, expected a number ${needed}`;
}

/** The smallest epsilon that a norm adds to each variance. */
function epsilonsOf(graph: Graph): ReadonlyMap<Value, number> {
  const epsilons = new Map<Value, number>();
  for (const node of nodesOf(graph)) {
    if (!is(node, "batchNorm")) continue;
    const { variance } = node.inputs;
    epsilons.set(variance, Math.min(epsilons.get(variance) ?? Infinity, node.attributes.epsilon));
  }
  return epsilons;
}

/** The same source; reading throws WeightsError for a number that is not a variance. */
function checkedVariance(source: LazySource, { name }: Parameter, epsilon: number): LazySource {
  return {
    ...source,
    async read(into, rows) {
      await source.read(into, rows);
      const problem = varianceProblem(into, name, epsilon, rows.first);
      if (problem) throw new WeightsError(`${problem}; ${ANOTHER_FILE}`);
    },
  };
}

/** Undefined for integers, and for a tensor whose data do not match its dtype or shape. */
function realSource(found: NamedSource | undefined): Source | undefined {
  if (found?.dtype !== "float32" && found?.dtype !== "float64") return undefined;
  return isTensor(found) ? ownTensor(found) : found;
}

function describe(graph: Graph, parameters: number, problems: readonly string[], advice: string): string {
  const heading = `${problems.length} ${problems.length === 1 ? "problem" : "problems"} between these weights and ${graph.name}, which has ${parameters} parameters`;
  return `${heading}; ${advice}:\n  ${shortList(problems, "\n  ")}`;
}
