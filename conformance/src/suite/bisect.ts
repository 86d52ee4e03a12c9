import {
  type AnyNode,
  type Backend,
  type ModelName,
  nodesOf,
  optimize,
  select,
  type Value,
  type WorkOptions,
} from "@residual/core";
import type { Check } from "../report/types.ts";
import { checkOf } from "./check.ts";
import { hold } from "./conform.ts";
import { fixtureModel, inputShapeOf } from "./fixture-model.ts";
import { type NodeAnswer, runNodes, type Subject } from "./nodes.ts";

/** The place where a model goes wrong on a backend. */
export interface Bisection {
  /** The graph's name. */
  readonly model: string;
  readonly shape: readonly number[];
  readonly nodes: number;
  /** The first value of the whole graph, in execution order, whose error is larger than float32 explains. */
  readonly firstWrongValue?: {
    readonly name: string;
    readonly op: string;
    readonly index: number;
    readonly error: number;
  };
  /** The nodes that exceed their bounds when run alone, in execution order. The first of these nodes is at fault. */
  readonly wrongNodes: readonly Check[];
}

/**
 * Allowed share of a value's largest magnitude: ten times 1.6e-6, the error of the worst stage of the long goldens in
 * PyTorch's own float32. Any order of summation stays below it in a network of hundreds of layers. A wrong node's error
 * is far above it.
 */
const FAR_OFF = 1.6e-5;

export interface BisectOptions extends WorkOptions {
  /** The side of a named model's image, in pixels. Default 64 */
  readonly side?: number;
  /**
   * The right answers, from `nodeAnswers` of the same graph and inputs. Several backends can share them. Default: they
   * are computed.
   */
  readonly answers?: readonly NodeAnswer[] | undefined;
  /** Called with the check of each node alone, in execution order. */
  readonly onNode?: ((check: Check) => void) | undefined;
}

/**
 * Finds the first node of a model that a backend computes wrongly. The model is a name, with weights and an image that
 * need no download, or a bound graph with the inputs of a run.
 *
 * Runs each node alone. For faults between nodes (fusing, buffers, layouts), also finds the first wrong value of the
 * whole graph by bisection. Throws AbortError, and ShapeError:
 * A1  `answers` are of the same graph and inputs.
 */
export async function bisect(
  backend: Backend,
  model: ModelName | Subject,
  { side = 64, answers, onNode, ...work }: BisectOptions = {},
): Promise<Bisection> {
  const { graph, inputs } = typeof model === "string" ? fixtureModel(model, inputShapeOf(model, side)) : model;
  const lean = { graph: optimize(graph), inputs };
  const { held } = await hold(backend, work);
  const wrongNodes: Check[] = [];
  const expected: Expected = new Map();
  for await (const outcome of runNodes(backend, lean, held.arithmetic, { ...work, answers })) {
    const check = checkOf(outcome);
    if (!check.passed) wrongNodes.push(check);
    expected.set(check.name, outcome.trial.answer!.data);
    onNode?.(check);
  }
  const firstWrongValue = await firstWrong(backend, lean, expected, work);
  return {
    model: graph.name,
    shape: Object.values(inputs)[0]!.shape,
    nodes: nodesOf(lean.graph).length,
    wrongNodes,
    ...(firstWrongValue && { firstWrongValue }),
  };
}

/**
 * The value of each node by name. Values are rounded to float32 between nodes, once where a backend rounds each product
 * and sum.
 */
type Expected = Map<string, Float64Array>;

/**
 * Bisects the nodes. Each step runs a graph that ends in the middle node, so all nodes before it are connected as in
 * the whole graph. A right value beside a wrong value (a shortcut) misleads the bisection. So the search then follows
 * wrong inputs backwards.
 */
async function firstWrong(
  backend: Backend,
  { graph, inputs }: Subject,
  expected: Expected,
  work: WorkOptions,
): Promise<Bisection["firstWrongValue"]> {
  const nodes = nodesOf(graph);
  const errorAt = async (at: number): Promise<number> => {
    const { name } = nodes[at]!;
    await using executable = await backend.compile(select(graph, [name]), work);
    const answers = await executable.run(inputs, work);
    return relativeError(answers[name]!.data, expected.get(name)!);
  };
  let [right, wrong, error] = [-1, nodes.length - 1, await errorAt(nodes.length - 1)];
  if (error <= FAR_OFF) return undefined;
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    const here = await errorAt(middle);
    if (here <= FAR_OFF) right = middle;
    else [wrong, error] = [middle, here];
  }
  for (let at: number | undefined = wrong; at !== undefined; ) {
    const before: readonly number[] = Object.values(nodes[at]!.inputs).flatMap((value) => placeOf(value, nodes));
    at = undefined;
    for (const each of before) {
      const here = await errorAt(each);
      if (here > FAR_OFF) [at, wrong, error] = [each, each, here];
    }
  }
  const { name, op } = nodes[wrong]!;
  return { name, op, index: wrong, error };
}

function placeOf(value: Value, nodes: readonly AnyNode[]): number[] {
  return value.kind === "node" ? [nodes.indexOf(value)] : [];
}

/** The error relative to the largest magnitude; infinite if a number is NaN. */
function relativeError(found: ArrayLike<number>, expected: Float64Array): number {
  let [largest, worst] = [Number.MIN_VALUE, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(found[i]! - expected[i]!);
    worst = Math.max(worst, error); // keeps a NaN
  }
  return Number.isNaN(worst) ? Infinity : worst / largest;
}

/** A text of at most one screen. */
export function explain(backend: string, { model, shape, nodes, wrongNodes, firstWrongValue }: Bisection): string {
  const head = `${model} on ${backend}, ${shape.join("×")}, ${nodes} nodes as optimized`;
  const [first] = wrongNodes;
  const value = firstWrongValue;
  const whole =
    value &&
    `${value.error.toExponential(1)} of the largest value off, at most ${FAR_OFF.toExponential(1)} is float32's`;
  if (!first && !value) return `${head}\n  every node alone is within its bound, and so is the whole graph\n`;
  if (!first) {
    return [
      head,
      `  every node alone is within its bound, but in the whole graph ${value!.name} (${value!.op}, node ${value!.index + 1}) is wrong: ${whole}`,
      "  so look at what joins the nodes before it: buffers that are reused too early, layouts, fusing",
      "",
    ].join("\n");
  }
  const others = wrongNodes.slice(1).map(({ name }) => name);
  const listed = others.slice(0, 8).join(", ");
  return [
    head,
    `  first wrong node, run alone on the reference's own inputs: ${first.name}`,
    `    ${first.what}`,
    `    ${first.message}`,
    ...(others.length > 0
      ? [`  wrong as well: ${listed}${others.length > 8 ? `, and ${others.length - 8} more` : ""}`]
      : []),
    value
      ? `  in the whole graph the first wrong value is ${value.name}: ${whole}`
      : "  in the whole graph it does not show: the logits are within float32's error",
    "",
  ].join("\n");
}
