import { FormatError } from "./ir/errors.ts";
import { type Graph, graph, valuesOf } from "./ir/graph.ts";
import { describeValue, shortList, shortText } from "./ir/messages.ts";
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
import { applyOp, isOpName } from "./ops/nodes.ts";

/** The version of the JSON format. A reader refuses other versions. */
const FORMAT = "residual-graph/1";

/**
 * A graph as JSON: values in order; readers refer to them by name. Constants and variables hold their bytes in base64,
 * or none if their numbers are stored elsewhere.
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
  | DataJson
  | NodeJson;

interface DataJson {
  readonly kind: "constant" | "variable";
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float64";
  readonly base64?: string;
}

interface NodeJson {
  readonly kind: "node";
  readonly name: string;
  readonly op: string;
  readonly inputs: { readonly [input: string]: string };
  readonly attributes: Attributes;
}

export interface ToJsonOptions {
  /** Leaves out the numbers of constants and variables; `fromJson` then takes them as sources. */
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
 * The graph that `toJson` wrote. Shapes are computed anew, so every graph that is read could have been built. `sources`
 * maps names of constants and variables to the numbers that the JSON leaves out.
 *
 * Throws FormatError for JSON of another format or version, for values in another form than `toJson` writes, and for
 * missing numbers; ShapeError if an op refuses its inputs or attributes.
 */
export function fromJson(json: unknown, sources: ReadonlyMap<string, Source> = new Map()): Graph {
  if (!isGraphJson(json)) return refuse("it has another format");
  const known = new Map<string, Value>();
  const find = (name: string): Value => known.get(name) ?? refuse(`${shortText(name)} is read before it is defined`);
  const findKind = <K extends Value["kind"]>(name: string, kind: K): Extract<Value, { kind: K }> => {
    const value = find(name);
    return isOfKind(value, kind) ? value : refuse(`${shortText(name)} is a ${value.kind}, where a ${kind} is needed`);
  };
  for (const part of json.values) {
    if (known.has(part.name)) refuse(`${shortText(part.name)} is defined twice`);
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
      return named(part.name, readNode(part, find));
  }
}

/** Attributes must be in canonical form: defaults differ between writers. */
function readNode({ name, op, inputs, attributes }: NodeJson, find: (name: string) => Value): AnyNode {
  if (!isOpName(op)) refuse(`${shortText(name)} is a ${shortText(op)}, an op that this version does not know`);
  const node = applyOp(op, mapValues(inputs, find), attributes);
  if (JSON.stringify(node.attributes) !== JSON.stringify(inOrder(attributes, node.attributes)))
    refuse(`the attributes of ${shortText(name)} are not written out in full`);
  return node;
}

function inOrder(attributes: Attributes, order: Attributes): Attributes {
  return mapValues(order, (_, name) => attributes[name]!);
}

/** Checks the structure of the JSON; the ops check the values. Throws FormatError. */
function isGraphJson(json: unknown): json is GraphJson {
  if (!isRecord(json)) return refuse(`expected an object, found ${describeValue(json)}`);
  if (json.format !== FORMAT) refuse(`the format is ${describeValue(json.format)}`);
  const { name, inputs, outputs, aliases, updates, values } = json;
  if (typeof name !== "string") refuse("expected a text as the name");
  if (!Array.isArray(inputs) || !inputs.every(isText)) refuse("expected a list of names as inputs");
  if (!areTexts(outputs) || !areTexts(aliases) || !areTexts(updates))
    refuse("expected names as outputs, aliases and updates");
  if (!Array.isArray(values)) return refuse(`expected a list of values, found ${describeValue(values)}`);
  for (const value of values) checkValue(value);
  return true;
}

const fieldsOf: { readonly [Kind in Value["kind"]]: { readonly [field: string]: (value: unknown) => boolean } } = {
  input: { shape: (shape) => isShape(shape, true) },
  parameter: { shape: (shape) => isShape(shape, false) },
  constant: { shape: (shape) => isShape(shape, false), dtype: isDType, base64: isTextOrAbsent },
  variable: { shape: (shape) => isShape(shape, false), dtype: isDType, base64: isTextOrAbsent },
  node: { op: isText, inputs: areTexts, attributes: isRecord },
};

function checkValue(value: unknown): void {
  if (!isRecord(value)) refuse(`a value is ${describeValue(value)}`);
  const { kind, name } = value;
  if (!isText(name)) refuse(`a value's name is ${describeValue(name)}`);
  if (!isText(kind) || !Object.hasOwn(fieldsOf, kind)) refuse(`${shortText(name)} is of kind ${describeValue(kind)}`);
  const fields = fieldsOf[kind as Value["kind"]];
  for (const [field, holds] of Object.entries(fields))
    if (!holds(value[field])) refuse(`the ${field} of ${shortText(name)} is ${describeValue(value[field])}`);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || isText(value);
}

function areTexts(record: unknown): boolean {
  return isRecord(record) && Object.values(record).every(isText);
}

function isDType(value: unknown): boolean {
  return value === "float32" || value === "float64";
}

/** Sizes of at least 1 whose product is a safe integer. The first size of an input may be open. */
function isShape(shape: unknown, mayBeOpen: boolean): boolean {
  if (!Array.isArray(shape)) return false;
  const given = Array.from<unknown>(shape); // without holes
  const sizes = given.slice(mayBeOpen && given[0] === "N" ? 1 : 0);
  const areSizes = (each: readonly unknown[]): each is readonly number[] =>
    each.every((size) => Number.isSafeInteger(size) && (size as number) >= 1);
  return areSizes(sizes) && Number.isSafeInteger(sizeOf(sizes));
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

function sourceOf({ base64, ...data }: DataJson, sources: ReadonlyMap<string, Source>): Source {
  if (base64 !== undefined) return decode(data, base64);
  const { name, shape } = data;
  const source = sources.get(name) ?? refuse(`the numbers of ${shortText(name)} are not in it`);
  if (source.shape.join() === shape.join()) return source;
  return refuse(`${shortText(name)} is [${shortList(shape)}], and its source [${shortList(source.shape)}]`);
}

function decode({ name, dtype, shape }: Omit<DataJson, "base64">, base64: string): RealTensor {
  const bytes = decodeBase64(base64, name);
  const size = dtype === "float64" ? 8 : 4;
  if (bytes.length !== sizeOf(shape) * size)
    refuse(`${shortText(name)} is ${dtype} of shape [${shortList(shape)}], but has ${bytes.length} bytes`);
  const { buffer } = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  return dtype === "float64"
    ? tensorOf("float64", shape, new Float64Array(buffer))
    : tensorOf("float32", shape, new Float32Array(buffer));
}

function decodeBase64(base64: string, name: string): string {
  try {
    return atob(base64);
  } catch {
    return refuse(`the numbers of ${shortText(name)} are not in base64`);
  }
}

/** Base64 of binary strings: not in ECMAScript's library, but on every platform. */
declare function btoa(bytes: string): string;
declare function atob(base64: string): string;
