import type { InputRecord, Op } from "../ir/define-op.ts";
import { type Graph, valuesOf } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { AnyNode, Constant, Input, Parameter, Shape, Value } from "../ir/value.ts";
import * as all from "./index.ts";

/** Every op there is. A new one is its file and a line in index.ts; the compiler then names each table that still lacks it. */
export const ops: typeof all = all;

export type OpName = keyof typeof ops;

type PartsOf<Name extends OpName> =
  (typeof ops)[Name] extends Op<Name, infer Required, infer Optional, infer _Options, infer Attributes>
    ? { required: Required; optional: Optional; attributes: Attributes }
    : never;

/** The attributes a node of this op holds, in their one written-out form. */
export type AttributesOf<Name extends OpName> = PartsOf<Name>["attributes"];

/** `{ x: T, weight: T, bias?: T }` for an op's inputs. */
export type InputsOf<Name extends OpName, T> = InputRecord<PartsOf<Name>["required"], PartsOf<Name>["optional"], T>;

/** A node of one op, or, as `Node`, of any. */
export type Node<Name extends OpName = OpName> = {
  [K in Name]: Omit<AnyNode, "op" | "inputs" | "attributes"> & {
    readonly op: K;
    readonly inputs: InputsOf<K, Value>;
    readonly attributes: AttributesOf<K>;
  };
}[Name];

/** Whether a value is a node of this op. */
export function is<Name extends OpName>(value: Value | undefined, op: Name): value is AnyNode & Node<Name> {
  return value?.kind === "node" && value.op === op;
}

/** An op's definition, for code that treats all ops alike. */
export interface PlainOp {
  readonly inputs: readonly string[];
  readonly optional?: readonly string[];
  attributes(options: object): AnyNode["attributes"];
  shape(inputs: { readonly [input: string]: Shape }, attributes: AnyNode["attributes"]): Shape;
  evaluate(
    inputs: { readonly [input: string]: Tensor<"float64"> },
    attributes: AnyNode["attributes"],
    shape: readonly number[],
  ): Float64Array;
  macs?(
    inputs: { readonly [input: string]: Shape },
    attributes: AnyNode["attributes"],
    shape: readonly number[],
  ): number;
}

/** The definition of a node's op. */
export function opOf(node: AnyNode): PlainOp {
  return ops[node.op as OpName];
}

/** A table that says, for every op, what a backend makes of its node: a T for each input in, a T out. */
export type Lowering<T> = {
  readonly [Name in OpName]: (node: AnyNode & Node<Name>, inputs: InputsOf<Name, T>) => T;
};

/** Lowers every value of a graph, inputs before what is computed from them. */
export function lower<T>(
  graph: Graph,
  lowering: Lowering<T>,
  leaf: (value: Input | Parameter | Constant) => T,
): ReadonlyMap<Value, T> {
  const lowered = new Map<Value, T>();
  for (const value of valuesOf(graph)) {
    lowered.set(value, value.kind === "node" ? lowerNode(value, lowering, lowered) : leaf(value));
  }
  return lowered;
}

function lowerNode<T>(node: AnyNode, lowering: Lowering<T>, lowered: ReadonlyMap<Value, T>): T {
  const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, value]) => [name, lowered.get(value)!]));
  const rule = lowering[node.op as OpName] as unknown as (node: AnyNode, inputs: { [name: string]: T }) => T;
  return rule(node, inputs);
}
