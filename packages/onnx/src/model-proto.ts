import { isTensor, type NamedSource, readRows, type Shape, type Source, sizeOf, type Tensor } from "@residual/core";
import { bytes, type Encoded, float, int, join, message, text } from "./protobuf.ts";

/**
 * An ONNX model as plain data, and its encoding: the ten messages of onnx.proto that networks need. Field numbers are
 * those of github.com/onnx/onnx, onnx/onnx.proto; each number is written once here.
 */
export interface Model {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** The shapes of intermediate values: viewers show them, since viewers do not infer shapes. */
  readonly values: readonly ValueInfo[];
  readonly initializers: readonly Initializer[];
  /** Inputs whose values come from the preceding run. Their inputs and outputs are listed in the model's. */
  readonly variables: readonly ModelVariable[];
  readonly metadata: { readonly [key: string]: string };
}

/** One application of an ONNX operator. Inputs and outputs are names of values. */
export interface OnnxNode {
  readonly operator: string;
  /** The set of operators that it belongs to; default: ONNX's own. */
  readonly domain?: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: { readonly [name: string]: OnnxAttribute };
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly text: string };

/** A float32 value that is an input or output of a model. `"N"` is the open batch. */
export interface ValueInfo {
  readonly name: string;
  readonly shape: Shape;
}

/** A constant: weights, stored as float32, or integers that an operator takes as an input. */
export interface Initializer {
  readonly name: string;
  readonly source: Source | Tensor<"int64">;
  /** Position outside the model; without it the bytes are inside. */
  readonly external?: ExternalData;
}

/** A variable of a graph. A file has no state: the program that runs the model feeds `update` back as `input`. */
export interface ModelVariable {
  readonly name: string;
  readonly input: string;
  /** The output that replaces the variable after a run. */
  readonly update: string;
  /** The value before the first run. */
  readonly source: Source;
}

/** An initializer with weights. */
export interface Weight extends Initializer {
  readonly source: Source;
}

export function isWeight(initializer: Initializer): initializer is Weight {
  return initializer.source.dtype !== "int64";
}

/** The model with all weights in memory, rounded to float32, ready to encode. */
export async function readModel(model: Model): Promise<Model> {
  const initializers: Initializer[] = [];
  for (const each of model.initializers) {
    initializers.push(isWeight(each) ? { ...each, source: await readFloat32(each.source) } : each);
  }
  return { ...model, initializers };
}

async function readFloat32(source: Source): Promise<Tensor<"float32">> {
  return isTensor(source) && source.dtype === "float32" ? source : copyOf(source);
}

/** The numbers of a source as float32, in new memory. */
export async function copyOf(
  source: Source,
): Promise<Tensor<"float32"> & { readonly data: Float32Array<ArrayBuffer> }> {
  const data = new Float32Array(sizeOf(source.shape));
  await readRows(source, data);
  return { dtype: "float32", shape: source.shape, data };
}

/** A piece of a file beside the model. `offset` and `length` are in bytes. */
export interface ExternalData {
  /** The file's name, relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Loaded by onnxruntime since 1.13, onnxruntime-web and transformers.js; the emitted operators need no newer opset. */
const IR_VERSION = 8;
const OPSET_VERSION = 17;

/** TensorProto.DataType. */
export const dataTypes = { float: 1, int64: 7 } as const;
/** TensorProto.DataLocation. */
export const EXTERNAL = 1;
/** AttributeProto.AttributeType. */
const attributeTypes = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** Field numbers, shared by reader and writer. */
export const fields = {
  model: { irVersion: 1, producerName: 2, producerVersion: 3, graph: 7, opsetImport: 8, metadata: 14 },
  graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 },
  node: { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 },
  attribute: { name: 1, float: 2, int: 3, text: 4, ints: 8, type: 20 },
  tensor: { dims: 1, dataType: 2, name: 8, rawData: 9, externalData: 13, dataLocation: 14 },
  valueInfo: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { element: 1, shape: 2 },
  shape: { dimension: 1 },
  dimension: { value: 1, parameter: 2 },
  opset: { domain: 1, version: 2 },
  entry: { key: 1, value: 2 },
} as const;

/** The bytes of a model. Internal weights are kept by reference, and must be in memory (`readModel`). */
export function encodeModel(model: Model, producerVersion: string): Encoded {
  const field = fields.model;
  return join(
    int(field.irVersion, IR_VERSION),
    text(field.producerName, "residual"),
    text(field.producerVersion, producerVersion),
    encodeGraph(model),
    message(field.opsetImport, int(fields.opset.version, OPSET_VERSION)),
    ...domainsOf(model).map((domain) =>
      message(field.opsetImport, text(fields.opset.domain, domain), int(fields.opset.version, 1)),
    ),
    ...Object.entries(model.metadata).map(([key, value]) => encodeMetadata(key, value)),
  );
}

/** The domains besides ONNX's own. */
function domainsOf({ nodes }: Model): readonly string[] {
  return [...new Set(nodes.flatMap(({ domain }) => (domain === undefined ? [] : [domain])))];
}

/**
 * An entry of metadata_props. It may follow an encoded model, since values of a repeated field need not be adjacent.
 */
export function encodeMetadata(key: string, value: string): Encoded {
  return entry(fields.model.metadata, key, value);
}

function encodeGraph({ name, nodes, inputs, outputs, values, initializers }: Model): Encoded {
  const field = fields.graph;
  return message(
    fields.model.graph,
    ...nodes.map(encodeNode),
    text(field.name, name),
    ...initializers.map(encodeInitializer),
    ...inputs.map((value) => encodeValueInfo(field.input, value)),
    ...outputs.map((value) => encodeValueInfo(field.output, value)),
    ...values.map((value) => encodeValueInfo(field.valueInfo, value)),
  );
}

function encodeNode({ operator, domain, name, inputs, outputs, attributes }: OnnxNode): Encoded {
  const field = fields.node;
  return message(
    fields.graph.node,
    ...inputs.map((input) => text(field.input, input)),
    ...outputs.map((output) => text(field.output, output)),
    text(field.name, name),
    text(field.operator, operator),
    ...Object.entries(attributes).map(([key, value]) => encodeAttribute(key, value)),
    ...(domain === undefined ? [] : [text(field.domain, domain)]),
  );
}

function encodeAttribute(name: string, value: OnnxAttribute): Encoded {
  const field = fields.attribute;
  const put = (type: number, ...values: Encoded[]) =>
    message(fields.node.attribute, text(field.name, name), ...values, int(field.type, type));
  if ("int" in value) return put(attributeTypes.int, int(field.int, value.int));
  if ("float" in value) return put(attributeTypes.float, float(field.float, value.float));
  if ("text" in value) return put(attributeTypes.text, text(field.text, value.text));
  return put(attributeTypes.ints, ...value.ints.map((each) => int(field.ints, each)));
}

function encodeInitializer(initializer: Initializer): Encoded {
  const field = fields.tensor;
  const { name, source, external } = initializer;
  return message(
    fields.graph.initializer,
    ...source.shape.map((size) => int(field.dims, size)),
    int(field.dataType, isWeight(initializer) ? dataTypes.float : dataTypes.int64),
    text(field.name, name),
    ...(external ? encodeExternal(external) : [bytes(field.rawData, initializerBytes(initializer))]),
  );
}

function encodeExternal({ location, offset, length }: ExternalData): Encoded[] {
  const field = fields.tensor;
  const entries = Object.entries({ location, offset: String(offset), length: String(length) });
  return [...entries.map(([key, value]) => entry(field.externalData, key, value)), int(field.dataLocation, EXTERNAL)];
}

function encodeValueInfo(field: number, { name, shape }: ValueInfo): Encoded {
  const dimensions = shape.map((size) =>
    message(
      fields.shape.dimension,
      size === "N" ? text(fields.dimension.parameter, size) : int(fields.dimension.value, size),
    ),
  );
  const element = int(fields.tensorType.element, dataTypes.float);
  const tensorType = message(fields.type.tensor, element, message(fields.tensorType.shape, ...dimensions));
  return message(field, text(fields.valueInfo.name, name), message(fields.valueInfo.type, tensorType));
}

function entry(field: number, key: string, value: string): Encoded {
  return message(field, text(fields.entry.key, key), text(fields.entry.value, value));
}

/** The bytes of an initializer in memory, little-endian on every machine that onnxruntime runs on. */
export function initializerBytes({ name, source }: Initializer): Uint8Array {
  const found: NamedSource = source;
  if (!isTensor(found) || found.dtype === "float64") throw new TypeError(`${name} is encoded before it is read`);
  const { buffer, byteOffset, byteLength } = found.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Bytes of an initializer in a file. */
export function byteLength(initializer: Initializer): number {
  return sizeOf(initializer.source.shape) * (isWeight(initializer) ? 4 : 8);
}
