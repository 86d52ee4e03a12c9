import { FormatError, sizeOf } from "@residual/core";
import { quote } from "../json-reader.ts";
import type { FormatReader } from "../layout.ts";
import { nameByGraph } from "../network/identify.ts";
import { type OnnxModel, readModel, type StoredTensor } from "./model.ts";
import { fillOf, type KnownConstant, networkOf } from "./network.ts";
import { placeTensors, type StoredNumbers } from "./tensors.ts";

/**
 * The layout of an ONNX model. Its tensors are the initializers, and the float tensors among its Constant nodes. If the
 * graph is that of a model in core, the tensors get the names of the model's parameters; otherwise they keep theirs.
 *
 * Throws FormatError for a damaged file, UnsupportedError for sparse and quantized tensors.
 */
export const onnxLayout: FormatReader = async (file) => {
  const model = await readModel(file);
  const stored = [...model.tensors, ...constantsOf(model)].filter(isNumbers);
  checkNames(stored, file.name);
  const placed = await placeTensors(file, stored);
  const constants = new Map<string, KnownConstant>([
    ...numbersOf(model),
    ...stored.map(({ name, shape }) => [name, { shape, numbers: placed.small.get(name) }] as const),
  ]);
  const network = networkOf(model, constants);
  const initializers = new Set(model.tensors.map(({ name }) => name));
  const isFloat = ({ dtype }: { dtype: string }) => /^B?F\d/.test(dtype);
  const isWeight = ({ name, dtype, shape }: { name: string; dtype: string; shape: readonly number[] }) =>
    initializers.has(name) || (isFloat({ dtype }) && sizeOf(shape) > 1);
  // axes, sizes and padding values; parameters are float tensors with at least one axis
  const operands = stored.filter((tensor) => !isFloat(tensor) || tensor.shape.length === 0);
  return {
    stretches: placed.stretches.filter(({ entries }) => entries.every(isWeight)),
    made: placed.made,
    ...(network && { constants: new Set(operands.map(({ name }) => name)) }),
    metadata: Object.fromEntries(Object.entries(model.metadata).filter(([key]) => !isDigest(key))),
    ...(network && { follow: (...tensors) => nameByGraph(network, file.name, ...tensors) }),
  };
};

/** Whether a metadata key is a digest that identifies files written by Residual. */
function isDigest(key: string): boolean {
  return /^residual\.(weightsS|s)ha256$/.test(key);
}

function isNumbers(tensor: StoredTensor): tensor is StoredNumbers {
  return tensor.dtype !== undefined;
}

/** The tensors of Constant nodes, under the names of their outputs, and the fill values of ConstantOfShape nodes. */
function constantsOf(model: OnnxModel): StoredTensor[] {
  return model.nodes.flatMap(({ operator, domain, outputs: [name = ""], attributes }) => {
    const value = attributes.get("value");
    if (domain !== "" || typeof value !== "object" || !("data" in value)) return [];
    if (operator === "ConstantOfShape") return [{ ...value, name: fillOf(name) }];
    return operator === "Constant" ? [{ ...value, name }] : [];
  });
}

/** The numbers of Constant nodes that store numbers in an attribute. */
function numbersOf(model: OnnxModel): [string, KnownConstant][] {
  return model.nodes.flatMap(({ operator, domain, outputs: [name = ""], attributes }): [string, KnownConstant][] => {
    if (operator !== "Constant" || domain !== "") return [];
    const found = ["value_int", "value_float", "value_ints", "value_floats"].map((key) => attributes.get(key));
    const value = found.find((each) => each !== undefined);
    if (typeof value === "number") return [[name, { shape: [], numbers: [value] }]];
    return Array.isArray(value) ? [[name, { shape: [value.length], numbers: value }]] : [];
  });
}

function checkNames(tensors: readonly StoredTensor[], file: string): void {
  const seen = new Set<string>();
  for (const { name } of tensors) {
    if (seen.has(name))
      throw new FormatError(
        `${file}: it has two tensors named ${quote(name)}; the ONNX file is damaged: export it again`,
      );
    seen.add(name);
  }
}
