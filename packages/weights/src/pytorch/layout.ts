import { FormatError, UnsupportedError } from "@residual/core";
import { byteSizes } from "../dtypes.ts";
import type { TensorEntry } from "../safetensors.ts";
import { readLegacy } from "./legacy.ts";
import type { RandomAccess } from "./random-access.ts";
import { findStateDict } from "./state-dict.ts";

/** The format of PyTorch since 1.6, a zip, and the one before, a row of pickles. */
export type TorchFormat = "PyTorch" | "PyTorch before 1.6";

/** A tensor whose numbers do not lie in order: its shape, and how far apart they are, by axis. */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Where the tensors of a PyTorch file lie. */
export interface Layout {
  /** One for each tensor, in the state dict's order. `begin` and `end` count from `offset`. */
  readonly entries: readonly TensorEntry[];
  /** Those whose entry is the stretch of numbers that they are scattered over, by name. */
  readonly views: ReadonlyMap<string, View>;
  /** In bytes: all numbers of a file of the old format are aligned from here on. */
  readonly offset: number;
}

/**
 * Tensors may be views of one storage, as tied weights are; all together are at most so many times as large as the
 * file, which each of them is copied out of.
 */
const MOST_SHARING = 8;

/**
 * Reads where the tensors of a checkpoint lie, and none of their numbers. `name` is the file's, for messages. Throws
 * FormatError for a damaged file, UnsupportedError for one that does not hold one state dict of plain tensors.
 */
export async function torchLayout(file: RandomAccess, name: string, format: TorchFormat): Promise<Layout> {
  const refuse = (problem: string): never => {
    throw new FormatError(`${name}: ${problem}; the PyTorch file is damaged: download or save it again`);
  };
  try {
    const { root, offsets } = await (format === "PyTorch" ? readZipLater : readLegacy)(file, refuse);
    const tensors = [...findStateDict(root)];
    const offset = Math.min(...offsets.values(), file.size);
    const views = new Map<string, View>();
    const entries = tensors.map(([key, tensor]): TensorEntry => {
      const start = offsets.get(tensor.storage) ?? refuse(`tensor ${JSON.stringify(key)} has no storage`);
      const begin = start - offset + tensor.offset * byteSizes[tensor.dtype];
      const length = lengthOf(tensor);
      const end = begin + length * byteSizes[tensor.dtype];
      if (offset + end > file.size)
        refuse(`tensor ${JSON.stringify(key)} ends at byte ${offset + end} of ${file.size}`);
      if (isInOrder(tensor)) return { name: key, dtype: tensor.dtype, shape: tensor.shape, begin, end };
      views.set(key, tensor);
      return { name: key, dtype: tensor.dtype, shape: [length], begin, end };
    });
    const total = entries.reduce((sum, { begin, end }) => sum + end - begin, 0);
    if (total > MOST_SHARING * file.size)
      throw new UnsupportedError(
        `its tensors share storages: they take ${total} bytes, and the file ${file.size}; save copies: ` +
          "torch.save({k: v.clone() for k, v in model.state_dict().items()}, path)",
      );
    return { entries, views, offset };
  } catch (error) {
    // what a pickle's reader throws does not know the file
    if (error instanceof UnsupportedError && !error.message.startsWith(name))
      throw new UnsupportedError(`${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Numbers from a tensor's first to its last. */
function lengthOf({ shape, strides }: View): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
}

/** Whether the numbers lie in row-major order, without gaps. Strides of axes of one element mean nothing. */
function isInOrder({ shape, strides }: View): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis]! > 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Imported when there is a zip to read, with the library that reads it. */
const readZipLater: typeof readLegacy = async (file, refuse) => {
  const { readZip } = await import("./zip.ts");
  return readZip(file, refuse);
};
