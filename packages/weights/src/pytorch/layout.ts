import { FormatError, shortList, sizeOf, UnsupportedError } from "@residual/core";
import { byteSizes } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import type { FormatReader, ReadingOptions, View, WeightsLayout } from "../layout.ts";
import type { OpenFile } from "../open-file.ts";
import type { TensorEntry } from "../tensor-entry.ts";
import { readLegacy, type Saved } from "./legacy.ts";
import type { TorchTensor } from "./objects.ts";
import { findOptimizer } from "./optimizer.ts";
import { checkpointMetadata, type FoundStateDict, findStateDict } from "./state-dict.ts";

/**
 * The most bytes of all tensors together, as a multiple of the file's size. Tensors may share a storage, as tied
 * weights do, or repeat a number (`expand`), but each tensor is copied to memory.
 */
const MOST_SHARING = 8;

/** The layout of a file of `torch.save` since PyTorch 1.6, which is a zip. */
export const zipLayout: FormatReader = async (file, options) => {
  const { readZip } = await import("./zip.ts");
  return torchLayout(file, readZip, options);
};

/** The layout of a file from before PyTorch 1.6, which is a sequence of pickles. */
export const legacyLayout: FormatReader = (file, options) => torchLayout(file, readLegacy, options);

/**
 * Reads the layout of a checkpoint, without numbers. Throws FormatError for a damaged file, UnsupportedError for a file
 * that does not hold exactly one state dict of plain tensors.
 */
async function torchLayout(
  file: OpenFile,
  read: typeof readLegacy,
  { prefix, part }: ReadingOptions,
): Promise<WeightsLayout> {
  const { name } = file;
  const refuse = (problem: string): never => {
    throw new FormatError(`${name}: ${problem}; the PyTorch file is damaged: download or save it again`);
  };
  try {
    const saved = await read(file, refuse);
    if (part === "optimizer") {
      const { tensors, optimizer, counts } = findOptimizer(saved.root);
      return {
        ...placed(file, saved, tensors, refuse),
        metadata: { optimizer: JSON.stringify({ ...optimizer, counts }) },
      };
    }
    const found = findStateDict(saved.root, prefix);
    const metadata = { ...checkpointMetadata(saved.root), ...saved.metadata };
    return { ...placed(file, saved, found.tensors, refuse), metadata, notes: notesOn(found) };
  } catch (error) {
    // errors of the pickle's reader do not contain the file's name
    if (error instanceof UnsupportedError && !error.message.startsWith(name))
      throw new UnsupportedError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The positions of tensors in the file. Throws UnsupportedError for tensors that share too much of their storages. */
function placed(
  file: OpenFile,
  { offsets }: Saved,
  found: ReadonlyMap<string, TorchTensor>,
  refuse: (problem: string) => never,
): Pick<WeightsLayout, "stretches" | "views"> {
  const tensors = [...found];
  const offset = Math.min(...offsets.values(), file.size);
  const views = new Map<string, View>();
  const entries = tensors.map(([key, tensor]): TensorEntry => {
    const start = offsets.get(tensor.storage) ?? refuse(`tensor ${JSON.stringify(key)} has no storage`);
    const begin = start - offset + tensor.offset * byteSizes[tensor.dtype];
    const length = lengthOf(tensor);
    const end = begin + length * byteSizes[tensor.dtype];
    if (offset + end > file.size) refuse(`tensor ${JSON.stringify(key)} ends at byte ${offset + end} of ${file.size}`);
    if (isInOrder(tensor)) return { name: key, dtype: tensor.dtype, shape: tensor.shape, begin, end };
    views.set(key, tensor);
    return { name: key, dtype: tensor.dtype, shape: [length], begin, end };
  });
  const sizes = tensors.map(([, tensor]) => Math.max(lengthOf(tensor), sizeOf(tensor.shape)) * byteSizes[tensor.dtype]);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > MOST_SHARING * file.size)
    throw new UnsupportedError(
      `its tensors share storages: they take ${total} bytes, and the file ${file.size}; save copies: ` +
        "torch.save({k: v.clone() for k, v in model.state_dict().items()}, path)",
    );
  return { stretches: [{ file, offset, entries }], views };
}

function notesOn({ others }: FoundStateDict): readonly string[] {
  const [first] = others;
  if (first === undefined) return [];
  const names = shortList(others.map((name) => quote(name.slice(0, -1))));
  return [`the file has other tensors under ${names}, which are left out; \`prefix\` ${quote(first)} takes them`];
}

/** The number of elements between the first and the last of a tensor, inclusive. */
function lengthOf({ shape, strides }: View): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
}

/** Whether a tensor is row-major and without gaps. Strides of axes of size 1 do not matter. */
function isInOrder({ shape, strides }: View): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis]! > 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
