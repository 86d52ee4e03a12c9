import { FormatError, ResidualError } from "./ir/errors.ts";
import { type Graph, graph, valuesOf } from "./ir/graph.ts";
import { mapValues } from "./ir/names.ts";
import { readTensor, type Source } from "./ir/source.ts";
import { type RealTensor, sizeOf, tensorOf } from "./ir/tensor.ts";
import {
  type AnyNode,
  type Attributes,
  constant,
  input,
  named,
  parameter,
  type Shape,
  type Value,
  variable,
} from "./ir/value.ts";
import { applyOp, isOpName, type OpName } from "./ops/nodes.ts";

/** The version of the JSON below. A reader refuses any other. */
const FORMAT = "residual-graph/1";

/**
 * A graph as JSON: values in order, each named by its readers. Constants and variables hold their bytes in base64, or
 * none where their numbers are kept apart.
 */
export interface GraphJson {
  readonly format: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: { readonly [output: string]: string };
  readonly aliases: { readonly [alias: string]: string };
  /** The value that replaces each variable after a run. */
  readonly updates: { readonly [variable: string]: string };
  readonly values: readonly ValueJson[];
}

type ValueJson =
  | { readonly kind: "input"; readonly name: string; readonly shape: Shape }
  | { readonly kind: "parameter"; readonly name: string; readonly shape: readonly number[] }
  | {
      readonly kind: "constant" | "variable";
      readonly name: string;
      readonly shape: readonly number[];
      readonly dtype: "float32" | "float64";
      readonly base64?: string;
    }
  | NodeJson;

interface NodeJson {
  readonly kind: "node";
  readonly name: string;
  readonly op: string;
  readonly inputs: { readonly [input: string]: string };
  readonly attributes: Attributes;
}

export interface ToJsonOptions {
  /** Leaves out the numbers of constants and variables, for which `fromJson` is then given sources. */
  readonly isHollow?: boolean;
}

/** Reads the numbers of every constant and variable, unless they are left out. */
export async function toJson(graph: Graph, { isHollow = false }: ToJsonOptions = {}): Promise<GraphJson> {
  const nameOf = (value: Value) => value.name;
  const values: ValueJson[] = [];
  for (const value of valuesOf(graph)) values.push(await valueJson(value, isHollow));
  return {
    format: FORMAT,
    name: graph.name,
    inputs: Object.keys(graph.inputs),
    outputs: mapValues(graph.outputs, nameOf),
    aliases: graph.aliases,
    updates: Object.fromEntries(graph.updates.map(({ variable, value }) => [variable.name, value.name])),
    values,
  };
}

async function valueJson(value: Value, isHollow: boolean): Promise<ValueJson> {
  if (value.kind === "input" || value.kind === "parameter") return value;
  if (value.kind === "node") {
    const { kind, name, op, inputs, attributes } = value;
    return { kind, name, op, inputs: mapValues(inputs, (each) => each.name), attributes };
  }
  const { kind, name, shape, source } = value;
  const described = { kind, name, shape, dtype: source.dtype };
  return isHollow ? described : { ...described, base64: encode(await readTensor(source)) };
}

/**
 * The graph that `toJson` wrote. Shapes are worked out anew, so a graph that is read is one that could have been built.
 * `sources` has, by the names of constants and variables, the numbers that the JSON leaves out.
 *
 * Throws FormatError for JSON of another format or version and for numbers that are nowhere, ShapeError where an op
 * refuses its inputs.
 */
export function fromJson(json: unknown, sources: ReadonlyMap<string, Source> = new Map()): Graph {
  if (!isGraphJson(json)) return refuse("it has another format");
  const known = new Map<string, Value>();
  const find = (name: string): Value => known.get(name) ?? refuse(`${name} is read before it is defined`);
  const findKind = <K extends Value["kind"]>(name: string, kind: K): Extract<Value, { kind: K }> => {
    const value = find(name);
    return isOfKind(value, kind) ? value : refuse(`${name} is a ${value.kind}, where a ${kind} is needed`);
  };
  for (const part of json.values) {
    if (known.has(part.name)) refuse(`${part.name} is defined twice`);
    known.set(part.name, readValue(part, find, sources));
  }
  return graph({
    name: json.name,
    inputs: Object.fromEntries(json.inputs.map((name) => [name, findKind(name, "input")])),
    outputs: mapValues(json.outputs, find),
    aliases: json.aliases,
    updates: Object.entries(json.updates).map(([name, value]) => {
      return { variable: findKind(name, "variable"), value: find(value) };
    }),
  });
}

function isOfKind<K extends Value["kind"]>(value: Value, kind: K): value is Extract<Value, { kind: K }> {
  return value.kind === kind;
}

function readValue(part: ValueJson, find: (name: string) => Value, sources: ReadonlyMap<string, Source>): Value {
  switch (part.kind) {
    case "input":
      return input(part.name, part.shape);
    case "parameter":
      return parameter(part.name, part.shape);
    case "constant":
      return constant(part.name, sourceOf(part, sources));
    case "variable":
      return variable(part.name, sourceOf(part, sources));
    case "node":
      if (!isOpName(part.op)) refuse(`${part.name} is a ${part.op}, an op that this version does not know`);
      return named(part.name, applied(part, part.op, mapValues(part.inputs, find)));
    default:
      return refuse(`a value is of kind ${String((part as { kind: unknown }).kind)}`);
  }
}

type StoredJson = Extract<ValueJson, { readonly dtype: string }>;

function sourceOf({ name, dtype, shape, base64 }: StoredJson, sources: ReadonlyMap<string, Source>): Source {
  if (base64 !== undefined) return decode(dtype, shape, base64);
  const source = sources.get(name) ?? refuse(`the numbers of ${name} are not in it`);
  if (source.shape.join() === shape.join()) return source;
  return refuse(`${name} is [${shape}], and its source [${source.shape}]`);
}

/** Ops take attributes that the compiler has checked; from JSON they may be anything. */
function applied({ name, attributes }: NodeJson, op: OpName, inputs: { readonly [input: string]: Value }): AnyNode {
  try {
    return applyOp(op, inputs, attributes);
  } catch (error) {
    if (error instanceof ResidualError) throw error;
    const given = JSON.stringify({ inputs: Object.keys(inputs), attributes }).slice(0, 200);
    return refuse(`${name} is ${op} of ${given}, which it does not take`);
  }
}

/** Just enough to walk the JSON safely; the ops themselves check what the values say. Throws FormatError. */
function isGraphJson(json: unknown): json is GraphJson {
  if (!isRecord(json)) return refuse(`expected an object, found ${JSON.stringify(json)?.slice(0, 40)}`);
  if (json.format !== FORMAT) refuse(`the format is ${String(json.format)}`);
  const { name, inputs, outputs, aliases, updates, values } = json;
  const strings = (record: unknown) =>
    isRecord(record) && Object.values(record).every((text) => typeof text === "string");
  if (typeof name !== "string") refuse("expected a text as the name");
  if (!Array.isArray(inputs) || inputs.some((text) => typeof text !== "string"))
    refuse("expected a list of names as inputs");
  if (!strings(outputs) || !strings(aliases) || !strings(updates))
    refuse("expected names as outputs, aliases and updates");
  if (!Array.isArray(values) || values.some((value) => !wellFormed(value, strings))) refuse("a value is malformed");
  return true;
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
function encode({ data }: RealTensor): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function decode(dtype: "float32" | "float64", shape: readonly number[], base64: string): RealTensor {
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
