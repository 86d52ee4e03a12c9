import { type AnyNode, constant, type Graph, graph, input, mapValues, nodesOf, rolesOf } from "@residual/core";
import type { FloatTensor, OpGolden } from "./goldens.ts";
import type { Recorded } from "./ops/op-suite.ts";
import { opNames, suites } from "./ops/suites.ts";

/** The graph for each kind of golden case. Level train has the gradients and the steps of SGD. */
const cases: { readonly [golden: string]: Recorded } = Object.fromEntries(
  opNames.flatMap((op) => Object.entries(suites[op].recorded ?? {})),
);

/** Whether the IR has the op of a case. The other cases are gradients, losses and optimizers. */
export function isForward({ op }: OpGolden): boolean {
  return op in cases;
}

/**
 * The case as a graph. Data are inputs, and a model's parameters are constants. Backends treat the two differently:
 * onnxruntime changes the layout of constant weights.
 */
export function graphOf(golden: OpGolden, tensors: { readonly [name: string]: FloatTensor }): Graph {
  const { nodes } = drawn(golden, tensors, new Set());
  return drawn(golden, tensors, new Set(nodes.flatMap(parametersOf))).graph;
}

/** The case with the named tensors as constants, and all others as inputs. */
function drawn(golden: OpGolden, tensors: { readonly [name: string]: FloatTensor }, constants: ReadonlySet<string>) {
  const inputs = mapValues(tensors, ({ shape }, name) => input(name, shape));
  const values = mapValues(tensors, (tensor, name) => (constants.has(name) ? constant(name, tensor) : inputs[name]!));
  const declared = Object.fromEntries(Object.entries(inputs).filter(([name]) => !constants.has(name)));
  const y = cases[golden.op]!(values, golden.attrs);
  const made: Graph = graph({ name: golden.id, inputs: declared, outputs: { y } });
  return { graph: made, nodes: nodesOf(made) };
}

/** The names of the values that a node reads as parameters. */
function parametersOf(node: AnyNode): string[] {
  const roles = rolesOf(node);
  return Object.entries(node.inputs).flatMap(([input, { name }]) => (roles[input] === "data" ? [] : [name]));
}
