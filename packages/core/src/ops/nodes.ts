import { type AttributeKind, applyDefinition, type InputRecord, type InputRoles } from "../ir/define-op.ts";
import { check, ShapeError } from "../ir/errors.ts";
import { type Graph, inputsOf, valuesOf } from "../ir/graph.ts";
import { shortText } from "../ir/messages.ts";
import { freeName, mapValues } from "../ir/names.ts";
import { isTensor } from "../ir/source.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { type AnyNode, concrete, type Input, input, type Leaf, type Shape, type Value } from "../ir/value.ts";
import * as all from "./index.ts";

/** Every op. A new op is its file and a line in index.ts; the compiler then names each table without a row for it. */
export const ops: typeof all = all;

export type OpName = keyof typeof ops;

/** The ops that no model has: gradients, losses and updates, and what those consist of. */
const trainingOps = [
  "adamStep",
  "affine",
  "averagePool2dGradient",
  "batchMean",
  "batchNormInputGradient",
  "batchNormScaleGradient",
  "batchVariance",
  "channelSum",
  "choose",
  "clipFactor",
  "conv2dInputGradient",
  "conv2dWeightGradient",
  "crossEntropy",
  "descend",
  "divide",
  "expand",
  "linearInputGradient",
  "linearWeightGradient",
  "logSoftmaxGradient",
  "maxPool2dGradient",
  "meanSquaredError",
  "movingAverage",
  "reluGradient",
  "reshape",
  "sigmoidGradient",
  "sliceChannels",
  "softmaxGradient",
  "sqrt",
  "subsampleGradient",
  "sum",
  "sumOfSquares",
  "times",
] as const satisfies readonly OpName[];

/** The ops of models. Training has more. */
export type ModelOpName = Exclude<OpName, (typeof trainingOps)[number]>;

/** The ops that other ops express. */
export type CompositeName = {
  [Name in OpName]: (typeof ops)[Name] extends { decompose: unknown } ? Name : never;
}[OpName];

type OpOf<Name extends OpName> = (typeof ops)[Name];

/** The attributes of a node of this op, in canonical form. */
export type AttributesOf<Name extends OpName> = ReturnType<OpOf<Name>["attributes"]>;

type Required<Name extends OpName> = keyof OpOf<Name>["inputs"] & string;
type Optional<Name extends OpName> = keyof NonNullable<OpOf<Name>["optional"]> & string;

/** `{ x: T, weight: T, bias?: T }` for an op's inputs. */
export type InputsOf<Name extends OpName, T> = InputRecord<Required<Name>, Optional<Name>, T>;

/** A node of one op; plain `Node` is a node of any op. */
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

export function isOpName(name: string): name is OpName {
  return Object.hasOwn(ops, name);
}

/** An op's definition, for code that treats all ops alike. */
export interface PlainOp {
  readonly name: string;
  /** Required inputs, each with its role. */
  readonly inputs: InputRoles<string>;
  /** Optional inputs, each with its role. */
  readonly optional?: InputRoles<string>;
  /** The kind of each attribute. */
  readonly attributeKinds: { readonly [attribute: string]: AttributeKind };
  attributes(options: object): AnyNode["attributes"];
  shape(inputs: { readonly [input: string]: Shape }, attributes: AnyNode["attributes"]): Shape;
  /** Only primitive ops have it. `evaluateOp` works for all ops. */
  evaluate?(
    inputs: { readonly [input: string]: Tensor<"float64"> },
    attributes: AnyNode["attributes"],
    shape: readonly number[],
  ): Float64Array;
  macs?(
    inputs: { readonly [input: string]: Shape },
    attributes: AnyNode["attributes"],
    shape: readonly number[],
  ): number;
  /** The gradients of the inputs, of primitive ops and of some composites. `differentiate` works for all ops. */
  gradient?(
    node: Pick<AnyNode, "inputs" | "attributes"> & { readonly output: Value },
    dy: Value,
  ): { readonly [input: string]: Value | undefined };
  /** Only composite ops have it. `partsOf` lists the nodes. */
  decompose?(inputs: { readonly [input: string]: Value }, attributes: AnyNode["attributes"]): AnyNode;
}

/** The definition of an op, by its name or by a node's. Throws ShapeError for an unknown name. */
export function opOf(op: string | AnyNode): PlainOp {
  const name = typeof op === "string" ? op : op.op;
  if (isOpName(name)) return ops[name];
  throw new ShapeError("op", `no op is called ${shortText(name)}; the ops are ${Object.keys(ops).join(", ")}`);
}

/** The roles of an op's inputs, required and optional, in the op's order. */
export function rolesOf(op: string | AnyNode): InputRoles<string> {
  const { inputs, optional } = opOf(op);
  return { ...inputs, ...optional };
}

/** A node of the op with that name, for names read at run time. Throws ShapeError as the op does. */
export function applyOp(op: string, inputs: { readonly [input: string]: Value | undefined }, options: object): AnyNode {
  return applyDefinition(opOf(op), inputs, options);
}

/**
 * The nodes that a composite node consists of, inputs before their readers. The last node computes the result and has
 * the composite's name; the other names begin with it: `layer1.0.conv1/conv2d`. The composite's inputs are not listed.
 * Empty for a primitive op.
 */
export function partsOf(node: AnyNode): readonly Exclude<Value, Input>[] {
  const answer = opOf(node).decompose?.(node.inputs, node.attributes);
  if (!answer) return [];
  const renamed = new Map<Value, Value>(inputsOf(node).map((input) => [input, input]));
  const parts: Exclude<Value, Input>[] = [];
  const taken = new Set<string>();
  const visit = (value: Value): Value => {
    const known = renamed.get(value);
    if (known) return known;
    check(value.kind !== "input", node.op, `decompose reads ${value.name}, which is not an input of the op`);
    const part = value.kind === "node" ? { ...value, inputs: mapValues(value.inputs, visit) } : value;
    const own = part.kind === "node" ? part.name || part.op : part.name;
    const name = value === answer ? node.name : freeName(`${node.name}/${own}`, taken);
    const made = { ...part, name };
    renamed.set(value, made);
    parts.push(made);
    return made;
  };
  visit(answer);
  return parts;
}

/**
 * The output of an op in float64, row-major. A composite op is evaluated part by part. `shape` is the output's shape.
 */
export function evaluateOp(
  { op, attributes }: Pick<AnyNode, "op" | "attributes">,
  inputs: { readonly [input: string]: Tensor<"float64"> },
  shape: readonly number[],
): Float64Array {
  const own = opOf(op).evaluate?.(inputs, attributes, shape);
  if (own) return own;
  const leaves = mapValues(inputs, ({ shape }, name) => input(name, shape)); // with the batch closed
  const known = new Map<Value, Tensor<"float64">>();
  for (const [name, value] of Object.entries(leaves)) known.set(value, inputs[name]!);
  let answer: Float64Array = new Float64Array();
  for (const part of partsOf(applyOp(op, leaves, attributes))) {
    known.set(part, evaluatePart(part, known));
    answer = known.get(part)!.data;
  }
  return answer;
}

function evaluatePart(part: Exclude<Value, Input>, known: ReadonlyMap<Value, Tensor<"float64">>): Tensor<"float64"> {
  if (part.kind === "node") {
    const inputs = mapValues(part.inputs, (value) => known.get(value)!);
    const shape = concrete(part.shape, 1); // closed already
    return tensorOf("float64", shape, evaluateOp(part, inputs, shape));
  }
  const isInMemory = part.kind === "constant" && isTensor(part.source);
  check(isInMemory, part.name, "decompose may make nodes, and constants in memory");
  return toFloat64(part.source);
}

/**
 * Multiply-adds of a node, with the open batch at `batch`. Those of a composite are the sum over its parts, unless the
 * op states them.
 */
export function macsOf(node: AnyNode, batch: number): number {
  const shapes = mapValues(node.inputs, ({ shape }) => concrete(shape, batch));
  const own = opOf(node).macs?.(shapes, node.attributes, concrete(node.shape, batch));
  return own ?? partsOf(node).reduce((sum, part) => sum + (part.kind === "node" ? macsOf(part, batch) : 0), 0);
}

/** A row: how a backend lowers a node of one op, from a T for each input to a T for the output. */
type LoweringRow<Name extends OpName, T> = (node: AnyNode & Node<Name>, inputs: InputsOf<Name, T>) => T;

/** A table with a row for every op. A composite op may have no row; its parts are then lowered. */
export type Lowering<T> = { readonly [Name in Exclude<OpName, CompositeName>]: LoweringRow<Name, T> } & {
  readonly [Name in CompositeName]?: LoweringRow<Name, T>;
};

/** Lowers every value of a graph, inputs before their readers. */
export function lower<T>(graph: Graph, lowering: Lowering<T>, leaf: (value: Leaf) => T): ReadonlyMap<Value, T> {
  const lowered = new Map<Value, T>();
  const visit = (value: Value) => {
    lowered.set(value, value.kind === "node" ? lowerNode(value) : leaf(value));
  };
  const lowerNode = (node: AnyNode): T => {
    const row = rowOf(lowering, node);
    if (row)
      return row(
        node,
        mapValues(node.inputs, (value) => lowered.get(value)!),
      );
    const parts = partsOf(node);
    parts.forEach(visit);
    return lowered.get(parts.at(-1)!)!;
  };
  valuesOf(graph).forEach(visit);
  return lowered;
}

/**
 * A row of the table, for a node whose op is known only at run time. The compiler cannot see that row and node agree.
 */
function rowOf<T>(lowering: Lowering<T>, { op }: AnyNode) {
  return lowering[op as OpName] as ((node: AnyNode, inputs: { readonly [input: string]: T }) => T) | undefined;
}
