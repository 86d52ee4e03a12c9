import {
  type Answer,
  type AnyNode,
  type Backend,
  type Graph,
  type ModelName,
  nodesOf,
  optimize,
  reference,
  select,
  type Tensor,
  type Value,
  type WorkOptions,
} from "@residual/core";
import type { Check } from "../report/types.ts";
import { checkOf } from "./check.ts";
import { hold } from "./conform.ts";
import { fixtureModel, inputShapeOf } from "./fixture-model.ts";
import { runNodes } from "./nodes.ts";

/** The place where a model goes wrong on a backend. */
export interface Bisection {
  readonly model: ModelName;
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

/**
 * Finds the first node of a model that a backend computes wrongly.
 *
 * Runs each node alone. For faults between nodes (fusing, buffers, layouts), also finds the first wrong value of the
 * whole graph by bisection. `side` is the image's side in pixels.
 */
export async function bisect(
  backend: Backend,
  model: ModelName,
  { side = 64, ...work }: BisectOptions = {},
): Promise<Bisection> {
  const shape = inputShapeOf(model, side);
  const { graph, inputs } = fixtureModel(model, shape);
  const lean = optimize(graph);
  const { held } = await hold(backend, work);
  const wrongNodes: Check[] = [];
  for await (const outcome of runNodes(backend, lean, inputs, held.arithmetic, work)) {
    if (!(outcome.share <= 1)) wrongNodes.push(checkOf(outcome));
  }
  const firstWrongValue = await firstWrong(backend, lean, inputs, work);
  return { model, shape, nodes: nodesOf(lean).length, wrongNodes, ...(firstWrongValue && { firstWrongValue }) };
}

export interface BisectOptions extends WorkOptions {
  readonly side?: number;
}

type Inputs = { readonly image: Tensor<"float32"> };

/**
 * Bisects the nodes. Each step runs a graph that ends in the middle node, so all nodes before it are connected as in
 * the whole graph. A right value beside a wrong value (a shortcut) misleads the bisection. So the search then follows
 * wrong inputs backwards.
 */
async function firstWrong(
  backend: Backend,
  graph: Graph<"image">,
  inputs: Inputs,
  work: WorkOptions,
): Promise<Bisection["firstWrongValue"]> {
  const nodes = nodesOf(graph);
  const names = nodes.map(({ name }) => name);
  const expected = await answersOf(reference, graph, names, inputs, work);
  const errorAt = async (at: number): Promise<number> => {
    const name = names[at]!;
    return relativeError((await answersOf(backend, graph, [name], inputs, work))[name]!, expected[name]!);
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

async function answersOf(
  backend: Backend,
  graph: Graph<"image">,
  names: readonly string[],
  inputs: Inputs,
  work: WorkOptions,
): Promise<{ readonly [name: string]: Answer }> {
  await using executable = await backend.compile(select(graph, names), work);
  return executable.run(inputs, work);
}

/** The error relative to the largest magnitude; infinite if a number is NaN. */
function relativeError(found: Answer, expected: Answer): number {
  let [largest, worst] = [Number.MIN_VALUE, 0];
  for (let i = 0; i < expected.data.length; i++) {
    largest = Math.max(largest, Math.abs(expected.data[i]!));
    const error = Math.abs(found.data[i]! - expected.data[i]!);
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
