import { FormatError, UnsupportedError } from "@residual/core";
import { dtypeNames, type StoredDType } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import { MOST_NODES } from "../network/network.ts";
import type { OpenFile } from "../open-file.ts";
import { type Field, varintsOf, WireReader, wires } from "./wire.ts";

/** The description of a model, with the positions of its tensors' numbers. The numbers are not read. */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  /** The initializers. Tensors of Constant nodes are attributes of the nodes. */
  readonly tensors: readonly StoredTensor[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** An application of an operator. Inputs and outputs are names of values; `""` stands for an omitted input. */
export interface OnnxNode {
  readonly operator: string;
  /** The operator set; `""` is ONNX's own. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** The value of an attribute. Subgraphs and lists of texts or tensors are undefined: no supported operator has them. */
export type OnnxAttribute = number | string | readonly number[] | StoredTensor | undefined;

interface ValueInfo {
  readonly name: string;
  /** The number of a TensorProto.DataType. */
  readonly type: number | undefined;
  /** Sizes that are not fixed are undefined. The whole shape is undefined if the file has none. */
  readonly shape: readonly (number | undefined)[] | undefined;
}

/** A range of bytes of a file. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** A tensor and the position of its numbers. */
export interface StoredTensor {
  readonly name: string;
  /** Undefined for tensors of texts. */
  readonly dtype: StoredDType | undefined;
  readonly shape: readonly number[];
  readonly data:
    | { readonly kind: "raw"; readonly range: Range }
    | { readonly kind: "external"; readonly location: string; readonly offset: number; readonly length?: number }
    /** A list of numbers: packed varints, float32 or float64. */
    | { readonly kind: "varints" | "floats" | "doubles"; readonly ranges: readonly (Range & { wire: number })[] };
}

/** Dtypes by the number of the TensorProto.DataType. Source: onnx.proto. */
const dtypes: ReadonlyMap<number, StoredDType> = new Map([
  [1, "F32"],
  [2, "U8"],
  [3, "I8"],
  [4, "U16"],
  [5, "I16"],
  [6, "I32"],
  [7, "I64"],
  [9, "BOOL"],
  [10, "F16"],
  [11, "F64"],
  [12, "U32"],
  [13, "U64"],
  [14, "C64"],
  [16, "BF16"],
  [17, "F8_E4M3"],
  [19, "F8_E5M2"],
]);
const TEXT = 8;

/** The name of a TensorProto.DataType: PyTorch's name if it has one. */
export function typeName(type: number): string {
  const dtype = dtypes.get(type);
  return dtype ? dtypeNames[dtype] : `data type ${type}`;
}

/** Numbers of protobuf fields. Source: github.com/onnx/onnx, onnx/onnx.proto. */
const fields = {
  model: { graph: 7, metadata: 14 },
  graph: { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 },
  node: { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 },
  attribute: { name: 1, float: 2, int: 3, text: 4, tensor: 5, floats: 7, ints: 8, sparse: 22 },
  tensor: {
    dims: 1,
    dataType: 2,
    segment: 3,
    floats: 4,
    int32s: 5,
    int64s: 7,
    name: 8,
    raw: 9,
    doubles: 10,
    uint64s: 11,
    externalData: 13,
    dataLocation: 14,
  },
  valueInfo: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { element: 1, shape: 2 },
  shape: { dimension: 1 },
  dimension: { value: 1 },
  entry: { key: 1, value: 2 },
} as const;

/** The most axes of a tensor. */
const MOST_AXES = 16;
/** The most tensors, each of which is read separately. A network of 1202 layers has 6,000. */
const MOST_TENSORS = 10_000;
/** The most numbers in an attribute. */
const MOST_IN_LIST = 4096;

/**
 * Reads names, attributes and byte ranges of a ModelProto, without its weights. Throws FormatError for a damaged file,
 * UnsupportedError for sparse tensors.
 */
export async function readModel(file: OpenFile): Promise<OnnxModel> {
  const refuse = (problem: string): never => {
    throw new FormatError(`${file.name}: ${problem}; the ONNX file is damaged: download or export it again`);
  };
  return new ModelReader(file, refuse).model();
}

class ModelReader {
  readonly #file: OpenFile;
  readonly #wire: WireReader;
  readonly #refuse: (problem: string) => never;
  #tensors = 0;

  constructor(file: OpenFile, refuse: (problem: string) => never) {
    this.#file = file;
    this.#wire = new WireReader(file, refuse);
    this.#refuse = refuse;
  }

  async model(): Promise<OnnxModel> {
    const graph = {
      nodes: [] as OnnxNode[],
      tensors: [] as StoredTensor[],
      inputs: [] as ValueInfo[],
      outputs: [] as string[],
    };
    const metadata: Record<string, string> = {};
    let count = 0;
    await this.#wire.fields({ begin: 0, end: this.#file.size }, async (field) => {
      if (field.number === fields.model.graph) {
        count++;
        await this.#graph(this.#message(field), graph);
      } else if (field.number === fields.model.metadata) {
        const [key, value] = await this.#entry(field);
        Object.defineProperty(metadata, key, { value, enumerable: true, configurable: true });
      }
    });
    if (count !== 1) this.#refuse(`found ${count} graphs, expected one`);
    return { ...graph, metadata };
  }

  async #graph(
    range: Range,
    graph: { nodes: OnnxNode[]; tensors: StoredTensor[]; inputs: ValueInfo[]; outputs: string[] },
  ): Promise<void> {
    await this.#wire.fields(range, async (field) => {
      if (graph.nodes.length > MOST_NODES) this.#refuseMore(`${MOST_NODES} nodes`);
      if (field.number === fields.graph.node) graph.nodes.push(await this.#node(field));
      else if (field.number === fields.graph.initializer) graph.tensors.push(await this.#tensor(field));
      else if (field.number === fields.graph.input) graph.inputs.push(await this.#valueInfo(field));
      else if (field.number === fields.graph.output) graph.outputs.push((await this.#valueInfo(field)).name);
      else if (field.number === fields.graph.sparseInitializer)
        throw new UnsupportedError(
          `${this.#file.name}: found a sparse initializer, expected dense ones; export it dense`,
        );
    });
  }

  async #node(node: Field): Promise<OnnxNode> {
    const texts = { name: "", operator: "", domain: "" };
    const [inputs, outputs] = [[] as string[], [] as string[]];
    const attributes = new Map<string, OnnxAttribute>();
    const { node: numbers } = fields;
    await this.#wire.fields(this.#message(node), async (field) => {
      if (field.number === numbers.input) inputs.push(await this.#wire.text(field));
      else if (field.number === numbers.output) outputs.push(await this.#wire.text(field));
      else if (field.number === numbers.name) texts.name = await this.#wire.text(field);
      else if (field.number === numbers.operator) texts.operator = await this.#wire.text(field);
      else if (field.number === numbers.domain) texts.domain = await this.#wire.text(field);
      else if (field.number === numbers.attribute) attributes.set(...(await this.#attribute(field)));
    });
    const domain = texts.domain === "ai.onnx" ? "" : texts.domain;
    return { ...texts, domain, inputs, outputs, attributes };
  }

  async #attribute(attribute: Field): Promise<[string, OnnxAttribute]> {
    let name = "";
    let value: OnnxAttribute;
    let list: number[] | undefined;
    const { attribute: numbers } = fields;
    await this.#wire.fields(this.#message(attribute), async (field) => {
      if (field.number === numbers.name) name = await this.#wire.text(field);
      else if (field.number === numbers.float) [value] = await this.#floats(field);
      else if (field.number === numbers.int) value = field.value;
      else if (field.number === numbers.text) value = await this.#wire.text(field);
      else if (field.number === numbers.tensor) value = await this.#tensor(field);
      else if (field.number === numbers.floats) list = append(list, await this.#floats(field));
      else if (field.number === numbers.ints) list = append(list, await this.#wholes(field));
      else if (field.number === numbers.sparse)
        throw new UnsupportedError(`${this.#file.name}: found a sparse constant, expected dense ones; export it dense`);
      if (list && list.length > MOST_IN_LIST) this.#refuse(`found an attribute of ${list.length} numbers`);
    });
    return [name, list ?? value];
  }

  async #tensor(tensor: Field): Promise<StoredTensor> {
    this.#tensors++;
    if (this.#tensors > MOST_TENSORS) this.#refuseMore(`${MOST_TENSORS} tensors`);
    const { tensor: numbers } = fields;
    let name = "";
    let type = 0;
    let isExternal = false;
    let raw: Range | undefined;
    const shape: number[] = [];
    const external = new Map<string, string>();
    const lists = new Map<number, (Range & { wire: number })[]>();
    await this.#wire.fields(this.#message(tensor), async (field) => {
      if (field.number === numbers.name) name = await this.#wire.text(field);
      else if (field.number === numbers.dims) shape.push(...(await this.#wholes(field)));
      else if (field.number === numbers.dataType) type = field.value;
      else if (field.number === numbers.raw) raw = this.#message(field);
      else if (field.number === numbers.dataLocation) isExternal = field.value === 1;
      else if (field.number === numbers.externalData) external.set(...(await this.#entry(field)));
      else if (field.number === numbers.segment)
        throw new UnsupportedError(`${this.#file.name}: tensor ${quote(name)} is in segments; export it in one piece`);
      else if (isList(field.number)) {
        const { begin, end, wire } = field;
        const ranges = lists.get(field.number) ?? [];
        lists.set(field.number, ranges);
        ranges.push({ begin, end, wire });
      }
      if (shape.length > MOST_AXES) this.#refuse(`tensor ${quote(name)} has more than ${MOST_AXES} axes`);
    });
    const what = `tensor ${quote(name)}`;
    const dtype = dtypes.get(type);
    if (!dtype && type !== TEXT)
      throw new UnsupportedError(`${this.#file.name}: ${what} is of data type ${type}; export it as float32`);
    const size = shape.reduce((product, axis) => product * axis, 1);
    if (shape.some((axis) => axis < 0) || !Number.isSafeInteger(size))
      this.#refuse(`${what} has the shape [${shape.join(", ")}]`);
    if (lists.size + (raw ? 1 : 0) + (isExternal ? 1 : 0) > 1) this.#refuse(`${what} has its numbers in two places`);
    const at = { name, dtype, shape };
    if (isExternal) return { ...at, data: { kind: "external", ...this.#external(what, external) } };
    if (raw) return { ...at, data: { kind: "raw", range: raw } };
    const [[number, ranges] = [0, []]] = lists;
    const kind = number === numbers.floats ? "floats" : number === numbers.doubles ? "doubles" : "varints";
    return { ...at, data: { kind, ranges } };
  }

  #external(what: string, entries: ReadonlyMap<string, string>): { location: string; offset: number; length?: number } {
    const whole = (key: string): number | undefined => {
      const text = entries.get(key);
      if (text === undefined || (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))))
        return text === undefined ? undefined : Number(text);
      return this.#refuse(`${what} has the ${key} ${quote(text)}, expected a whole number`);
    };
    const location = entries.get("location") ?? this.#refuse(`${what} lies in a file that has no name`);
    const length = whole("length");
    return {
      location: location.replace(/^(\.\/)+/, ""),
      offset: whole("offset") ?? 0,
      ...(length !== undefined && { length }),
    };
  }

  async #valueInfo(info: Field): Promise<ValueInfo> {
    let name = "";
    let type: number | undefined;
    let shape: (number | undefined)[] | undefined;
    await this.#wire.fields(this.#message(info), async (field) => {
      if (field.number === fields.valueInfo.name) name = await this.#wire.text(field);
      else if (field.number === fields.valueInfo.type)
        await this.#within(field, fields.type.tensor, (tensor) =>
          this.#wire.fields(this.#message(tensor), async (field) => {
            if (field.number === fields.tensorType.element) type = field.value;
            else if (field.number === fields.tensorType.shape) shape = await this.#sizes(field, name);
          }),
        );
    });
    return { name, type, shape };
  }

  async #sizes(shape: Field, name: string): Promise<(number | undefined)[]> {
    const sizes: (number | undefined)[] = [];
    await this.#within(shape, fields.shape.dimension, async (dimension) => {
      let size: number | undefined;
      await this.#within(dimension, fields.dimension.value, ({ value }) => {
        size = value;
      });
      sizes.push(size);
      if (sizes.length > MOST_AXES) this.#refuse(`value ${quote(name)} has more than ${MOST_AXES} axes`);
    });
    return sizes;
  }

  /** Visits the fields with one number in a message. */
  async #within(message: Field, number: number, visit: (field: Field) => void | Promise<void>): Promise<void> {
    await this.#wire.fields(this.#message(message), (field) => (field.number === number ? visit(field) : undefined));
  }

  async #entry(entry: Field): Promise<[string, string]> {
    let [key, value] = ["", ""];
    await this.#wire.fields(this.#message(entry), async (field) => {
      if (field.number === fields.entry.key) key = await this.#wire.text(field);
      else if (field.number === fields.entry.value) value = await this.#wire.text(field);
    });
    return [key, value];
  }

  #refuseMore(than: string): never {
    throw new UnsupportedError(
      `${this.#file.name}: found more than ${than}, which no model here has; give a smaller one`,
    );
  }

  #message(field: Field): Range {
    if (field.wire !== wires.bytes) this.#refuse(`at byte ${field.begin}: found a number, expected a message`);
    return field;
  }

  /** Reads one whole number, or several packed ones. */
  async #wholes(field: Field): Promise<readonly number[]> {
    if (field.wire === wires.varint) return [field.value];
    this.#checkShort(field, 10);
    const numbers = varintsOf(await this.#wire.bytes(field), MOST_IN_LIST);
    return numbers ?? this.#refuse(`at byte ${field.begin}: found a damaged list of numbers`);
  }

  async #floats(field: Field): Promise<readonly number[]> {
    this.#checkShort(field, 4);
    const bytes = await this.#wire.bytes(field);
    if (bytes.length % 4 !== 0) this.#refuse(`at byte ${field.begin}: found a damaged list of numbers`);
    return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
  }

  #checkShort({ begin, end }: Range, each: number): void {
    if (end - begin > each * MOST_IN_LIST) this.#refuse(`at byte ${begin}: found a list of ${end - begin} bytes`);
  }
}

function append(list: number[] | undefined, numbers: readonly number[]): number[] {
  if (!list) return [...numbers];
  list.push(...numbers);
  return list;
}

function isList(number: number): boolean {
  const { floats, int32s, int64s, doubles, uint64s } = fields.tensor;
  return [floats, int32s, int64s, doubles, uint64s].some((each) => each === number);
}
