import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type Operand, operand } from "./operand.ts";

/** The fields of a message by field number: numbers, or the bytes of strings and nested messages. */
type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (number | Uint8Array)[]>();
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    fields.set(field, [...(fields.get(field) ?? []), readField(reader, wire)]);
  }
  return fields;
}

function readField(reader: BinaryReader, wire: WireType): number | Uint8Array {
  if (wire === WireType.Varint) return Number(reader.int64());
  if (wire === WireType.Bit32) return reader.float();
  if (wire === WireType.LengthDelimited) return reader.bytes();
  throw new RangeError(`wire type ${wire} is in no message that is read here`);
}

const messages = (fields: Fields, field: number) => (fields.get(field) ?? []) as readonly Uint8Array[];
const texts = (fields: Fields, field: number) => messages(fields, field).map((each) => new TextDecoder().decode(each));

/** A tensor of a file, with the name of its format. */
export interface Stored {
  readonly name: string;
  readonly format: string;
  readonly value: Operand;
}

type ProtoNumbers = Float32Array | Float64Array | Uint8Array | BigInt64Array;

/** TensorProto.DataType, limited to the types that the vectors use. */
const formats: { readonly [type: number]: readonly [name: string, read: (bytes: ArrayBuffer) => ProtoNumbers] } = {
  1: ["float32", (bytes) => new Float32Array(bytes)],
  2: ["uint8", (bytes) => new Uint8Array(bytes)],
  7: ["int64", (bytes) => new BigInt64Array(bytes)],
  11: ["float64", (bytes) => new Float64Array(bytes)],
};

/** Reads a TensorProto whose numbers lie in `raw_data`, as in all vectors. */
export function readTensor(bytes: Uint8Array, constant = false): Stored {
  const fields = fieldsOf(bytes);
  const shape = (fields.get(1) ?? []).flatMap((each) => (typeof each === "number" ? [each] : packed(each)));
  const [format, read] = formats[fields.get(2)![0] as number]!;
  const raw = messages(fields, 9)[0] ?? new Uint8Array();
  const numbers = Array.from(read(Uint8Array.from(raw).buffer), Number);
  return { name: texts(fields, 8)[0] ?? "", format, value: operand(shape, numbers, constant) };
}

function packed(bytes: Uint8Array): number[] {
  const reader = new BinaryReader(bytes);
  const numbers: number[] = [];
  while (reader.pos < reader.len) numbers.push(Number(reader.int64()));
  return numbers;
}

export type OnnxAttributes = { readonly [name: string]: number | string | readonly number[] };

/** A model of one node. */
export interface OneNode {
  readonly operator: string;
  /** Names of the inputs. An optional input that is left out has the name "". */
  readonly inputs: readonly string[];
  readonly attributes: OnnxAttributes;
  /** The inputs without an initializer, in the order of the input files. */
  readonly given: readonly string[];
  readonly initializers: readonly Stored[];
}

export function readModel(bytes: Uint8Array): OneNode {
  const graph = fieldsOf(messages(fieldsOf(bytes), 7)[0]!);
  const [node, ...others] = messages(graph, 1).map(fieldsOf);
  if (!node || others.length > 0) throw new RangeError(`a vector is of one operator, found ${others.length + 1}`);
  const initializers = messages(graph, 5).map((each) => readTensor(each, true));
  const names = messages(graph, 11).map((each) => texts(fieldsOf(each), 1)[0]!);
  return {
    operator: texts(node, 4)[0]!,
    inputs: texts(node, 1),
    attributes: Object.fromEntries(messages(node, 5).map((each) => attribute(fieldsOf(each)))),
    given: names.filter((name) => initializers.every((each) => each.name !== name)),
    initializers,
  };
}

/** AttributeProto: a float, an int, a string, or ints. */
function attribute(fields: Fields): [string, OnnxAttributes[string]] {
  const [name] = texts(fields, 1) as [string];
  const [number] = (fields.get(2) ?? fields.get(3) ?? []) as readonly number[];
  if (number !== undefined) return [name, number];
  if (fields.has(4)) return [name, texts(fields, 4)[0]!];
  return [name, (fields.get(8) ?? []).flatMap((each) => (typeof each === "number" ? [each] : packed(each)))];
}
