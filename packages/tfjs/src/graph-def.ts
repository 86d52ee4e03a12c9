import { type NodeDef, type ParameterValue, shape, tensor, type } from "./node-def.ts";
import { operatorOf } from "./operators.ts";
import type { Operation, Program } from "./program.ts";

/** A ParameterValue under a name. */
export interface NamedParameter extends ParameterValue {
  readonly name: string;
}

/** A program's nodes, and the parameters that they read besides its weights. */
export interface GraphDef {
  readonly nodes: readonly NodeDef[];
  readonly parameters: readonly NamedParameter[];
}

/**
 * A program as nodes of a GraphDef: a Placeholder for each input, a Const for each weight and parameter, then the
 * operations.
 */
export function graphDefOf(program: Program): GraphDef {
  const written = program.operations.map(writeOperation);
  const parameters = written.flatMap((each) => each.parameters);
  const nodes: NodeDef[] = [
    ...program.inputs.map((input) => {
      return { name: input.name, op: "Placeholder", attr: { dtype: type("DT_FLOAT"), shape: shape(input.shape) } };
    }),
    ...program.weights.map((weight) => constNode(weight.name, "DT_FLOAT", weight.shape)),
    ...parameters.map((parameter) => {
      const dtype = parameter.data instanceof Int32Array ? "DT_INT32" : "DT_FLOAT";
      return constNode(parameter.name, dtype, parameter.shape);
    }),
    ...written.map(({ node }) => node),
  ];
  return { nodes, parameters };
}

function constNode(name: string, dtype: "DT_FLOAT" | "DT_INT32", shape: readonly number[]): NodeDef {
  return { name, op: "Const", attr: { dtype: type(dtype), value: tensor(dtype, shape) } };
}

function writeOperation(operation: Operation): {
  readonly node: NodeDef;
  readonly parameters: readonly NamedParameter[];
} {
  const { operator, name, inputs, attributes } = operation;
  const { attr = {}, parameters = {} } = operatorOf(operation).write?.(attributes, inputs) ?? {};
  const named = Object.entries(parameters).map(([key, value]) => ({ name: `${name}/${key}`, ...value }));
  const input = [...inputs, ...named.map((parameter) => parameter.name)];
  return { node: { name, op: operator, input, attr: { T: type("DT_FLOAT"), ...attr } }, parameters: named };
}
