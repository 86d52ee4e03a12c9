import { FormatError, formatShape, shortList, sizeOf, UnsupportedError } from "@residual/core";
import { byteSizes } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import type { FormatReader, Stretch, View } from "../layout.ts";
import { memoryFile, type OpenFile } from "../open-file.ts";
import { swapBytes } from "../swap-bytes.ts";
import type { TensorEntry } from "../tensor-entry.ts";
import { UnpackedBytes } from "../unpacked-bytes.ts";
import { ZipArchive } from "../zip-archive.ts";
import type { Member, Refuse } from "../zip-directory.ts";
import { metadataIn } from "../zip-metadata.ts";
import { LONGEST_START, readNpyHeader } from "./npy-header.ts";

/** The most arrays in a file. No network here has as many parameters. */
const MOST_ARRAYS = 100_000;

/**
 * The layout of NumPy's archives. Arrays of `np.savez` stay in the file; arrays of `np.savez_compressed` are
 * decompressed to memory. Arrays that do not hold numbers are left out, with a note.
 *
 * Throws FormatError for a damaged file; UnsupportedError if no array holds numbers, or if the decompressed data are
 * too large for a network.
 */
export const npzLayout: FormatReader = async (file) => {
  const refuse: Refuse = (problem) => {
    throw new FormatError(`${file.name}: ${problem}; the .npz file is damaged: download or save it again`);
  };
  const archive = await ZipArchive.open(file, refuse);
  if (archive.members.length > MOST_ARRAYS) refuse(`it has ${archive.members.length} arrays`);
  const unpacked = new UnpackedBytes(file);
  const stretches: Stretch[] = [];
  const views = new Map<string, View>();
  const names = new Set<string>();
  const leftOut: string[] = [];
  for (const member of archive.members) {
    const name = member.name.replace(/\.npy$/, "");
    const found = name === member.name ? undefined : await openArray(archive, member, unpacked, refuse);
    if (!found) {
      leftOut.push(quote(member.name));
      continue;
    }
    if (names.has(name)) refuse(`it has two arrays ${quote(name)}`);
    names.add(name);
    const { entry, view, isSwapped } = found;
    if (!member.isStored) unpacked.takeCopies(entry, { isSwapped, isScattered: view !== undefined });
    if (view) views.set(name, view);
    stretches.push(await stretchOf(found, name));
  }
  if (names.size === 0)
    throw new UnsupportedError(
      `${file.name}: found ${leftOut.length === 0 ? "no arrays" : `no arrays of numbers: ${shortList(leftOut)}`}; ` +
        "save them under their names: numpy.savez(path, **arrays)",
    );
  const notes = leftOut.length === 0 ? [] : [`left out what holds no numbers: ${shortList(leftOut)}`];
  return { stretches, views, metadata: metadataIn(archive.comment), notes };
};

/**
 * The layout of a file of `np.save`, which holds one array: the tensor `array`. Throws FormatError for a damaged file,
 * UnsupportedError for an array that does not hold numbers.
 */
export const npyLayout: FormatReader = async (file) => {
  const found = await arrayIn(file, (problem) => {
    throw new FormatError(`${file.name}: ${problem}; the .npy file is damaged: download or save it again`);
  });
  if (!found) throw new UnsupportedError(`${file.name}: found an array of no numbers; save one of numbers`);
  const views = new Map(found.view && [["array", found.view]]);
  return { stretches: [await stretchOf(found, "array")], views };
};

async function stretchOf({ entry, content, offset, isSwapped }: FoundArray, name: string): Promise<Stretch> {
  const entries = [{ ...entry, name }];
  if (!isSwapped) return { file: content, offset, entries };
  const swapped = swapBytes(await content.read(offset, entry.end), byteSizes[entry.dtype]);
  return { file: memoryFile(swapped, content.name, content.place), offset: 0, entries };
}

interface FoundArray {
  readonly entry: Omit<TensorEntry, "name">;
  /** Set if the first axis is the innermost. */
  readonly view: View | undefined;
  readonly content: OpenFile;
  readonly offset: number;
  readonly isSwapped: boolean;
}

/** The array in a member; undefined if it does not hold numbers. */
async function openArray(
  archive: ZipArchive,
  member: Member,
  unpacked: UnpackedBytes,
  refuse: Refuse,
): Promise<FoundArray | undefined> {
  const content = await archive.open(member, unpacked);
  return arrayIn(content, (problem) => refuse(`array ${quote(member.name)}: ${problem}`));
}

/** The array in a .npy file; undefined if it does not hold numbers. */
async function arrayIn(content: OpenFile, refuse: Refuse): Promise<FoundArray | undefined> {
  const header = readNpyHeader(await content.read(0, Math.min(content.size, LONGEST_START)), refuse);
  const { dtype } = header;
  if (dtype.stored === undefined) return undefined;
  const size = byteSizes[dtype.stored];
  const { shape, length: offset } = header;
  const count = sizeOf(shape);
  if (count * size !== content.size - offset)
    refuse(
      `its header is followed by ${content.size - offset} bytes, expected ${count * size} for ${dtype.stored} ` +
        formatShape(shape.slice(0, 8)),
    );
  const view = header.isFortran && shape.length > 1 ? { shape, strides: fortranStrides(shape) } : undefined;
  return {
    entry: { dtype: dtype.stored, shape: view ? [count] : shape, begin: 0, end: count * size },
    view,
    content,
    offset,
    isSwapped: dtype.isBigEndian && size > 1,
  };
}

function fortranStrides(shape: readonly number[]): readonly number[] {
  let stride = 1;
  return shape.map((size) => {
    const own = stride;
    stride *= size;
    return own;
  });
}
