import { FormatError } from "./ir/errors.ts";
import { type Graph, graph, valuesOf } from "./ir/graph.ts";
import { sizeOf, type Tensor, tensorOf } from "./ir/tensor.ts";
import {
  type AnyNode,
  type Attributes,
  constant,
  input,
  named,
  parameter,
  type Shape,
  type Value,
} from "./ir/value.ts";
import { type OpName, ops } from "./ops/nodes.ts";

/** The version of the JSON below. A reader refuses any other. */
const FORMAT = "residual-graph/1";

/** A graph as JSON: values in order, each named by those that read it. Constants hold their bytes in base64. */
export interface GraphJson {
  readonly format: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: { readonly [output: string]: string };
  readonly aliases: { readonly [alias: string]: string };
  readonly values: readonly ValueJson[];
}

type ValueJson =
  | { readonly kind: "input"; readonly name: string; readonly shape: Shape }
  | { readonly kind: "parameter"; readonly name: string; readonly shape: readonly number[] }
  | {
      readonly kind: "constant";
      readonly name: string;
      readonly shape: readonly number[];
      readonly dtype: "float32" | "float64";
      readonly base64: string;
    }
  | {
      readonly kind: "node";
      readonly name: string;
      readonly op: string;
      readonly inputs: { readonly [input: string]: string };
      readonly attributes: Attributes;
    };

export function toJson(graph: Graph): GraphJson {
  const names = (values: { readonly [name: string]: Value }) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.name]));
  return {
    format: FORMAT,
    name: graph.name,
    inputs: Object.keys(graph.inputs),
    outputs: names(graph.outputs),
    aliases: graph.aliases,
    values: valuesOf(graph).map((value) => {
      if (value.kind === "node") {
        const { kind, name, op, inputs, attributes } = value;
        return { kind, name, op, inputs: names(inputs), attributes };
      }
      if (value.kind !== "constant") return value;
      const { kind, name, shape, tensor } = value;
      return { kind, name, shape, dtype: tensor.dtype, base64: encode(tensor) };
    }),
  };
}

/**
 * The graph that `toJson` wrote. Shapes are worked out anew, so a graph that is read is one that could have been built.
 *
 * Throws FormatError for what is no such JSON or of another version, ShapeError where an op refuses its inputs.
 */
export function fromJson(json: unknown): Graph {
  const parts = checkFormat(json);
  const known = new Map<string, Value>();
  const find = (name: string): Value => known.get(name) ?? refuse(`${name} is read before it is defined`);
  for (const part of parts.values) {
    if (known.has(part.name)) refuse(`${part.name} is defined twice`);
    known.set(part.name, readValue(part, find));
  }
  const outputs = Object.entries(parts.outputs).map(([name, value]) => [name, find(value)] as const);
  const inputs = parts.inputs.map((name) => [name, find(name) as Extract<Value, { kind: "input" }>] as const);
  if (inputs.some(([, value]) => value.kind !== "input")) refuse("an input is something else");
  return graph({
    name: parts.name,
    inputs: Object.fromEntries(inputs),
    outputs: Object.fromEntries(outputs),
    aliases: parts.aliases,
  });
}

function readValue(part: ValueJson, find: (name: string) => Value): Value {
  switch (part.kind) {
    case "input":
      return input(part.name, part.shape);
    case "parameter":
      return parameter(part.name, part.shape);
    case "constant":
      return constant(part.name, decode(part.dtype, part.shape, part.base64));
    case "node": {
      if (!Object.hasOwn(ops, part.op)) refuse(`${part.name} is a ${part.op}, an op that this version does not know`);
      const apply = ops[part.op as OpName] as unknown as (inputs: object, attributes: Attributes) => AnyNode;
      const inputs = Object.entries(part.inputs).map(([name, value]) => [name, find(value)] as const);
      return named(part.name, apply(Object.fromEntries(inputs), part.attributes));
    }
    default:
      return refuse(`a value is of kind ${String((part as { kind: unknown }).kind)}`);
  }
}

/** Just enough to walk the JSON safely; what the values say is checked by the ops themselves. */
function checkFormat(json: unknown): GraphJson {
  if (!isRecord(json)) refuse("this is no object");
  if (json.format !== FORMAT) refuse(`the format is ${String(json.format)}`);
  const { name, inputs, outputs, aliases, values } = json;
  const strings = (record: unknown) =>
    isRecord(record) && Object.values(record).every((text) => typeof text === "string");
  if (typeof name !== "string") refuse("the name is no text");
  if (!Array.isArray(inputs) || inputs.some((text) => typeof text !== "string")) refuse("inputs is no list of names");
  if (!strings(outputs) || !strings(aliases)) refuse("outputs or aliases are no names");
  if (!Array.isArray(values) || values.some((value) => !wellFormed(value, strings))) refuse("a value is malformed");
  return json as unknown as GraphJson;
}

function wellFormed(value: unknown, strings: (record: unknown) => boolean): boolean {
  if (!isRecord(value) || typeof value.name !== "string") return false;
  if (value.kind === "node") return strings(value.inputs) && isRecord(value.attributes);
  const shape = value.shape;
  return (
    Array.isArray(shape) && shape.every((size, axis) => (size === "N" && axis === 0) || Number.isSafeInteger(size))
  );
}

function isRecord(value: unknown): value is { [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(found: string): never {
  throw new FormatError(`graph JSON: ${found}; expected ${FORMAT}, as toJson writes it`);
}

/** The tensor's bytes, little-endian, in base64. */
function encode({ data }: Tensor<"float32" | "float64">): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function decode(dtype: "float32" | "float64", shape: readonly number[], base64: string): Tensor<"float32" | "float64"> {
  const size = { float32: 4, float64: 8 }[dtype] ?? refuse(`a constant is of ${String(dtype)}`);
  const text = bytesOf(base64);
  if (text.length !== sizeOf(shape) * size) refuse(`a constant of shape [${shape}] holds ${text.length} bytes`);
  const { buffer } = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return dtype === "float64"
    ? tensorOf("float64", shape, new Float64Array(buffer))
    : tensorOf("float32", shape, new Float32Array(buffer));
}

function bytesOf(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return refuse("a constant is no base64");
  }
}

/** Base64 of strings of bytes: not in ECMAScript's library, but on every platform. */
declare function btoa(bytes: string): string;
declare function atob(base64: string): string;
