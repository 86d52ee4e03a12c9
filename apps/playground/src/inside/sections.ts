import {
  type AnyNode,
  type Graph,
  inputsOf,
  nodesIn,
  type OutlinePart,
  outlineOf,
  rolesOf,
  type Value,
} from "@residual/core";
import { inPlace } from "./products.ts";

/** Nodes whose values are computed and kept together: a stage, or the layers between two stages. */
export interface Section {
  readonly nodes: readonly AnyNode[];
  /** The nodes, and the values outside that they read. */
  readonly names: readonly string[];
}

export function sectionsOf(graph: Graph): readonly Section[] {
  const groups: OutlinePart[][] = [];
  let isBetween = false;
  for (const part of outlineOf(graph)) {
    const isStage = part.kind === "group";
    if (isStage || !isBetween) groups.push([part]);
    else groups.at(-1)!.push(part);
    isBetween = !isStage;
  }
  return groups.map((parts) => {
    const nodes = parts.flatMap(nodesIn);
    return { nodes, names: [...new Set([...nodes.flatMap(dataInputsOf), ...nodes].map(({ name }) => name))] };
  });
}

/** The inputs of a node that are not parameters. */
export function dataInputsOf(node: AnyNode): readonly Value[] {
  const roles = rolesOf(node);
  return Object.entries(node.inputs).flatMap(([name, value]) => (roles[name] === "data" ? [value] : []));
}

/** The nodes that read each value, in the order in which they run. */
export function readersOf(nodes: readonly AnyNode[]): ReadonlyMap<Value, readonly AnyNode[]> {
  const readers = new Map<Value, AnyNode[]>();
  for (const node of nodes)
    for (const value of inputsOf(node)) readers.set(value, [...(readers.get(value) ?? []), node]);
  return readers;
}

/** The way of one number: the convolution or pool that makes it, and the steps in place up to the block's next one. */
export function stepsThrough(node: AnyNode, readers: ReadonlyMap<Value, readonly AnyNode[]>): readonly AnyNode[] {
  const steps = [node];
  for (let first = node; inPlace.has(first.op); ) {
    const [before, other] = dataInputsOf(first);
    if (before?.kind !== "node" || other || before.shape.join() !== first.shape.join()) break;
    steps.unshift(before);
    first = before;
  }
  for (;;) {
    const [next, other] = readers.get(steps.at(-1)!) ?? [];
    if (!next || other || !inPlace.has(next.op) || next.shape.join() !== node.shape.join()) return steps;
    steps.push(next);
  }
}
