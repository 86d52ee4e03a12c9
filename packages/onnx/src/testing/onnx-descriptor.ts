import { create, createFileRegistry, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/**
 * A decoder of ONNX that shares nothing with our encoder: @bufbuild/protobuf on the part of onnx.proto that we write.
 */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  const registry = createFileRegistry(descriptor(), () => undefined);
  return fromBinary(registry.getMessage("onnx.ModelProto") as DescMessage, bytes) as DecodedModel;
}

interface Entry {
  key: string;
  value: string;
}

interface DecodedValue {
  name: string;
  type: { tensorType: { elemType: number; shape: { dim: { dimValue: bigint; dimParam: string }[] } } };
}

interface DecodedTensor {
  name: string;
  dims: bigint[];
  dataType: number;
  rawData: Uint8Array;
  externalData: Entry[];
  dataLocation: number;
}

export interface DecodedModel extends Message {
  irVersion: bigint;
  producerName: string;
  producerVersion: string;
  opsetImport: { domain: string; version: bigint }[];
  metadataProps: Entry[];
  graph: {
    name: string;
    node: {
      input: string[];
      output: string[];
      name: string;
      opType: string;
      attribute: { name: string; type: number; f: number; i: bigint; ints: bigint[] }[];
    }[];
    initializer: DecodedTensor[];
    input: DecodedValue[];
    output: DecodedValue[];
    valueInfo: DecodedValue[];
  };
}

type Row = readonly [name: string, number: number, type: Type | string, repeated?: "repeated"];

/** onnx.proto (github.com/onnx/onnx, IR version 8), copied by hand: each message, with its fields of interest to us. */
const messages: { readonly [message: string]: readonly Row[] } = {
  ModelProto: [
    ["ir_version", 1, Type.INT64],
    ["producer_name", 2, Type.STRING],
    ["producer_version", 3, Type.STRING],
    ["graph", 7, "GraphProto"],
    ["opset_import", 8, "OperatorSetIdProto", "repeated"],
    ["metadata_props", 14, "StringStringEntryProto", "repeated"],
  ],
  GraphProto: [
    ["node", 1, "NodeProto", "repeated"],
    ["name", 2, Type.STRING],
    ["initializer", 5, "TensorProto", "repeated"],
    ["input", 11, "ValueInfoProto", "repeated"],
    ["output", 12, "ValueInfoProto", "repeated"],
    ["value_info", 13, "ValueInfoProto", "repeated"],
  ],
  NodeProto: [
    ["input", 1, Type.STRING, "repeated"],
    ["output", 2, Type.STRING, "repeated"],
    ["name", 3, Type.STRING],
    ["op_type", 4, Type.STRING],
    ["attribute", 5, "AttributeProto", "repeated"],
  ],
  AttributeProto: [
    ["name", 1, Type.STRING],
    ["f", 2, Type.FLOAT],
    ["i", 3, Type.INT64],
    ["ints", 8, Type.INT64, "repeated"],
    ["type", 20, Type.INT32],
  ],
  TensorProto: [
    ["dims", 1, Type.INT64, "repeated"],
    ["data_type", 2, Type.INT32],
    ["name", 8, Type.STRING],
    ["raw_data", 9, Type.BYTES],
    ["external_data", 13, "StringStringEntryProto", "repeated"],
    ["data_location", 14, Type.INT32],
  ],
  ValueInfoProto: [
    ["name", 1, Type.STRING],
    ["type", 2, "TypeProto"],
  ],
  TypeProto: [["tensor_type", 1, "TensorTypeProto"]],
  TensorTypeProto: [
    ["elem_type", 1, Type.INT32],
    ["shape", 2, "TensorShapeProto"],
  ],
  TensorShapeProto: [["dim", 1, "DimensionProto", "repeated"]],
  DimensionProto: [
    ["dim_value", 1, Type.INT64],
    ["dim_param", 2, Type.STRING],
  ],
  OperatorSetIdProto: [
    ["domain", 1, Type.STRING],
    ["version", 2, Type.INT64],
  ],
  StringStringEntryProto: [
    ["key", 1, Type.STRING],
    ["value", 2, Type.STRING],
  ],
};

function descriptor() {
  const messageType = Object.entries(messages).map(([name, rows]) => ({ name, field: rows.map(fieldOf) }));
  return create(FileDescriptorProtoSchema, { name: "onnx.proto", package: "onnx", syntax: "proto2", messageType });
}

function fieldOf([name, number, type, repeated]: Row) {
  const label = repeated ? Label.REPEATED : Label.OPTIONAL;
  if (typeof type !== "string") return { name, number, type, label };
  return { name, number, type: Type.MESSAGE, typeName: `.onnx.${type}`, label };
}
