import { FormatError, sizeOf, UnsupportedError } from "@residual/core";
import { byteSizes, type StoredDType } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import { isNumber, isRecord } from "../json-values.ts";
import type { OpenFile } from "../open-file.ts";

/** The contents of a model.json: the positions of weights, and the graph of a graph model. */
export interface TfjsModel {
  readonly groups: readonly WeightGroup[];
  /** The nodes of the GraphDef; undefined for a layers model. */
  readonly nodes: readonly GraphNode[] | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether Residual wrote the file. */
  readonly isOwn: boolean;
}

/** Consecutive weights in the concatenation of some files. */
interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly TfjsWeight[];
}

export interface TfjsWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "F32" | "I32" | "BOOL";
  /** The encoding of a weight that is not stored unchanged: quantized numbers (stored · scale + min), or float16. */
  readonly quantization: Quantization | undefined;
}

type Quantization =
  | { readonly dtype: "U8" | "U16"; readonly scale: number; readonly min: number }
  | { readonly dtype: "F16" };

/** A node of a GraphDef, in protobuf's JSON. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, unknown>>;
}

/** The longest model.json that is read, in bytes. It does not contain weights. */
const LONGEST = 32 << 20;

const dtypes: Readonly<Record<string, TfjsWeight["dtype"]>> = { float32: "F32", int32: "I32", bool: "BOOL" };
const stored: Readonly<Record<string, Quantization["dtype"]>> = { uint8: "U8", uint16: "U16", float16: "F16" };

/** The size of a weight in its files, in bytes. */
export function weightBytes({ shape, dtype, quantization }: TfjsWeight): number {
  return sizeOf(shape) * byteSizes[(quantization?.dtype ?? dtype) satisfies StoredDType];
}

/**
 * Reads a model.json. Throws FormatError for a damaged file, UnsupportedError for weights that are not numbers. Source:
 * tfjs-core, io/types.ts, WeightsManifestConfig; tfjs-converter, data/compiled_api.ts.
 */
export async function readTfjsModel(file: OpenFile): Promise<TfjsModel> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new FormatError(`${file.name}: ${problem}; it is damaged: download or convert it again`, { cause });
  };
  if (file.size > LONGEST) refuse(`found a model.json of ${file.size} bytes, expected at most ${LONGEST}`);
  let model: unknown;
  try {
    model = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await file.read(0, file.size)));
  } catch (cause) {
    refuse("found a model.json that is not JSON", cause);
  }
  if (!isRecord(model)) return refuse("found a model.json that is no object");
  const { weightsManifest, modelTopology, userDefinedMetadata, generatedBy } = model;
  if (!Array.isArray(weightsManifest)) return refuse("found no weightsManifest, expected a list of groups of weights");
  const names = new Set<string>();
  const groups = weightsManifest.map((group: unknown): WeightGroup => {
    if (!isRecord(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights))
      return refuse("found a group of weights without paths and weights");
    const paths = group.paths.map((path: unknown) =>
      typeof path === "string" ? path : refuse("found no path as text"),
    );
    const weights = group.weights.map((weight: unknown) => weightOf(weight, file.name, refuse));
    for (const { name } of weights) {
      if (names.has(name)) refuse(`it has two weights named ${quote(name)}`);
      names.add(name);
    }
    return { paths, weights };
  });
  const nodes = isRecord(modelTopology) && Array.isArray(modelTopology.node) ? modelTopology.node : undefined;
  const isOwn = typeof generatedBy === "string" && generatedBy.startsWith("residual ");
  return {
    groups,
    nodes: nodes?.filter(isNode).map(nodeOf),
    metadata: { ...textsOf(userDefinedMetadata), ...kerasOf(modelTopology) },
    isOwn,
  };
}

function weightOf(weight: unknown, file: string, refuse: (problem: string) => never): TfjsWeight {
  if (!isRecord(weight) || typeof weight.name !== "string") return refuse("found a weight without a name");
  const { name, shape, dtype, quantization } = weight;
  const what = `weight ${quote(name)}`;
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!isShape || !Number.isSafeInteger(sizeOf(shape))) return refuse(`${what} has the shape ${shown(shape)}`);
  const known = typeof dtype === "string" && Object.hasOwn(dtypes, dtype) ? dtypes[dtype] : undefined;
  if (!known)
    throw new UnsupportedError(
      `${file}: ${what} is ${shown(dtype)}, expected ${Object.keys(dtypes).join(", ")}; convert the model without it`,
    );
  const at = { name, shape: shape as readonly number[], dtype: known };
  if (quantization === undefined) return { ...at, quantization: undefined };
  if (!isRecord(quantization)) return refuse(`${what} has the quantization ${shown(quantization)}`);
  const { dtype: as, scale, min } = quantization;
  const type = typeof as === "string" && Object.hasOwn(stored, as) ? stored[as] : undefined;
  if (!type)
    throw new UnsupportedError(
      `${file}: ${what} is quantized to ${shown(as)}, expected ${Object.keys(stored).join(", ")}; convert it otherwise`,
    );
  if (type === "F16") return { ...at, quantization: { dtype: type } };
  if (!isNumber(scale) || !isNumber(min))
    return refuse(`${what} has the scale ${shown(scale)} and the least ${shown(min)}`);
  return { ...at, quantization: { dtype: type, scale, min } };
}

function shown(value: unknown): string {
  return quote(JSON.stringify(value) ?? "undefined");
}

function isNode(node: unknown): node is { name: string; op: string } & Record<string, unknown> {
  return isRecord(node) && typeof node.name === "string" && typeof node.op === "string";
}

function nodeOf({ name, op, input, attr }: { name: string; op: string } & Record<string, unknown>): GraphNode {
  const inputs = Array.isArray(input) ? input.filter((each): each is string => typeof each === "string") : [];
  return { name, op, input: inputs, attr: isRecord(attr) ? attr : {} };
}

/** A layers model's description of its network, under the keys that Residual uses for Keras files. */
function kerasOf(topology: unknown): Record<string, string> {
  const {
    keras_version: version,
    model_config: converted,
    class_name: kind,
    config: own,
  } = isRecord(topology) ? topology : {};
  // TensorFlow.js saves the model itself in the place of the converter's `model_config`
  const config =
    converted ?? (typeof kind === "string" && own !== undefined ? { class_name: kind, config: own } : undefined);
  return {
    ...(typeof version === "string" && { "keras.version": version }),
    ...(isRecord(config) && { "keras.config": JSON.stringify(config) }),
  };
}

/** The entries of metadata that are texts. Other entries are ignored. */
function textsOf(value: unknown): Record<string, string> {
  const entries = isRecord(value) ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
