import { check, ShapeError, UnsupportedError } from "../ir/errors.ts";
import { type Graph, graph, nodesOf, parametersOf, replaceValues, type Update } from "../ir/graph.ts";
import { nearestFirst, shortList, shortText } from "../ir/messages.ts";
import { mapValues } from "../ir/names.ts";
import { sizeOf } from "../ir/tensor.ts";
import { type AnyNode, concrete, formatShape, named, type Value, variable } from "../ir/value.ts";
import { batchMean, batchNorm, batchVariance, movingAverage } from "../ops/index.ts";
import { is, type Node, rolesOf } from "../ops/nodes.ts";
import { bind, type NamedSources } from "./bind.ts";
import { closeBatch } from "./close-batch.ts";

export interface TrainableOptions {
  /** The weights, if the graph is not bound yet. */
  readonly weights?: NamedSources;
  /** The batch, if it is open. */
  readonly batch?: number;
  /**
   * Parameters that training leaves as they are: names of parameters (`conv1.weight`), or of modules, which stand for
   * all parameters inside (`layer1`, `layer2.0.bn1`). A frozen norm uses its running statistics.
   */
  readonly freeze?: readonly string[];
  /** The share of a batch's statistics in the running statistics. Default 0.1, as in PyTorch. */
  readonly momentum?: number;
}

/**
 * A network in training mode, from a network in inference mode that `optimize` has not changed:
 *
 * - parameters (weight, bias, scale, shift) become variables of the same names and numbers;
 * - a batch norm normalizes by the mean and variance of the batch, which are the nodes `NORM.mean` and `NORM.variance`;
 * - its running statistics become variables, which each run updates: running · (1 − momentum) + batch · momentum, with
 *   the unbiased variance of the batch.
 *
 * Frozen parameters stay constants, and so do constants that no op reads as a parameter.
 *
 * T1  the graph is bound, or weights are given.
 * T2  each name in `freeze` is that of a parameter, or of a module with parameters.
 * T3  a norm in training has at least two values in each channel: images times pixels. (The variance of one is
 *     unknown.)
 * T4  momentum is from 0 to 1.
 * The batch is closed, or `batch` is given: batchMean's constraint. Throws ShapeError under these labels (T1:
 * UnsupportedError), and as `bind` does. Source: PyTorch BatchNorm2d in training mode.
 */
export function trainable<In extends string, Out extends string, Names extends string>(
  source: Graph<In, Out, Names>,
  { weights, batch, freeze = [], momentum = 0.1 }: TrainableOptions = {},
): Graph<In, Out, Names> {
  const bound = weights ? bind(source, weights) : source;
  const closed = batch === undefined ? bound : closeBatch(bound, batch);
  const [open] = parametersOf(closed);
  if (open) throw new UnsupportedError(`trainable: ${open.name} of ${source.name} is open; give the weights`);
  check(momentum >= 0 && momentum <= 1, "trainable.T4", `momentum is ${momentum}, expected a number from 0 to 1`);
  const parameters = parametersIn(closed);
  const isFrozen = frozenBy(
    closed,
    [...parameters].map(({ name }) => name),
    freeze,
  );
  const updates: Update[] = [];
  const replaced = replaceValues(
    closed,
    (node, original) => {
      if (!is(original, "batchNorm") || isFrozen(original.inputs.mean.name) || !is(node, "batchNorm")) return node;
      const made = normOfBatch(node, momentum);
      updates.push(...made.updates);
      return made.norm;
    },
    (leaf) => {
      if (leaf.kind !== "constant" || !parameters.has(leaf) || isFrozen(leaf.name)) return leaf;
      return variable(leaf.name, leaf.source);
    },
  );
  const of = (value: Value) => replaced.get(value)!;
  return graph({
    ...closed,
    outputs: mapValues<Value, Value>(closed.outputs, of) as { readonly [K in Out]: Value },
    updates: [...closed.updates.map(({ variable, value }) => ({ variable, value: of(value) })), ...updates],
  });
}

/** The constants that an op reads as a parameter. */
function parametersIn(graph: Graph): ReadonlySet<Value> {
  const found = new Set<Value>();
  for (const node of nodesOf(graph)) {
    const roles = rolesOf(node);
    for (const [name, value] of Object.entries(node.inputs))
      if (value.kind === "constant" && roles[name] !== "data") found.add(value);
  }
  return found;
}

/** Whether a parameter is frozen, by its name or by that of a module around it. */
function frozenBy(graph: Graph, parameters: readonly string[], freeze: readonly string[]): (name: string) => boolean {
  const isIn = (name: string, module: string) => name === module || name.startsWith(`${module}.`);
  for (const module of freeze) {
    if (parameters.some((name) => isIn(name, module))) continue;
    const modules = new Set(parameters.flatMap((name) => [name, name.slice(0, name.lastIndexOf("."))]));
    const nearest = shortList(nearestFirst(shortText(module), [...modules]).slice(0, 8));
    throw new ShapeError(
      "trainable.T2",
      `${graph.name} has no parameters ${shortText(module)}; nearest are ${nearest}`,
    );
  }
  return (name) => freeze.some((module) => isIn(name, module));
}

/** A norm by the statistics of the batch, and the updates of its running statistics. */
function normOfBatch(
  norm: AnyNode & Node<"batchNorm">,
  momentum: number,
): { readonly norm: AnyNode; readonly updates: readonly Update[] } {
  const { x, scale, shift, ...running } = norm.inputs;
  const mean = named(`${norm.name}.mean`, batchMean({ x }));
  const variance = named(`${norm.name}.variance`, batchVariance({ x, mean }));
  const count = sizeOf(concrete(x.shape, 1)) / (x.shape[1] as number);
  const found = () =>
    `${norm.name} has one value in each channel of ${formatShape(x.shape)}; take a larger batch or image`;
  check(count > 1, "trainable.T3", found);
  const keep = 1 - momentum;
  const updated = (statistic: Value, value: Value, share: number): Update[] => {
    if (statistic.kind !== "variable") return [];
    const next = movingAverage({ average: statistic, value }, { keep, share });
    return [{ variable: statistic, value: named(`${statistic.name}.next`, next) }];
  };
  return {
    norm: named(norm.name, batchNorm({ x, scale, shift, mean, variance }, norm.attributes)),
    updates: [
      ...updated(running.mean, mean, momentum),
      ...updated(running.variance, variance, (momentum * count) / (count - 1)),
    ],
  };
}
