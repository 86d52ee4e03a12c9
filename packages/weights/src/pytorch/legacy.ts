import { UnsupportedError } from "@residual/core";
import { byteSizes } from "../dtypes.ts";
import type { OpenFile } from "../open-file.ts";
import { type Failures, type TorchStorage, torchUnpickler } from "./objects.ts";
import type { Pickled } from "./unpickler.ts";

/** PyTorch's own mark of the format before 1.6: a row of pickles, then the storages. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Bytes of the pickles that are read at first, and at most: they name tensors, and hold none. */
const [FIRST, MOST] = [1 << 20, 64 << 20];

/** The contents of a torch.save file: an object, and the positions of its storages' numbers. */
export interface Saved {
  readonly root: Pickled;
  /** In bytes of the file. */
  readonly offsets: ReadonlyMap<TorchStorage, number>;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Thrown where the bytes at hand end within a pickle. */
class Cut extends Error {}

/**
 * A file in the format before PyTorch 1.6. Throws what `refuse` throws, and UnsupportedError for what a state dict does
 * not hold. Source: torch/serialization.py, `_legacy_save`.
 */
export async function readLegacy(file: OpenFile, refuse: Failures["refuse"]): Promise<Saved> {
  for (let length = FIRST; ; length *= 2) {
    const most = Math.min(length, MOST, file.size);
    try {
      return await readPickles(await file.read(0, most), file, refuse);
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      if (most < length) refuse(`its pickles do not end within ${most} bytes`);
    }
  }
}

async function readPickles(bytes: Uint8Array, file: OpenFile, refuse: Failures["refuse"]): Promise<Saved> {
  const storages = new Map<string, TorchStorage>();
  const end = () => {
    throw new Cut();
  };
  const unpickler = torchUnpickler(bytes, storages, { refuse, end });
  const [magic, protocol, system, root, keys] = Array.from({ length: 5 }, () => unpickler.read());
  if (magic !== MAGIC || protocol !== PROTOCOL) refuse("it does not begin as a file of torch.save");
  if (system instanceof Map && system.get("little_endian") === false)
    throw new UnsupportedError("it was written by a big-endian machine; save it again on another");
  if (!Array.isArray(keys)) return refuse("it does not list its storages");
  return { root: root!, offsets: await offsetsOf(keys as Pickled[], storages, unpickler.position, file, refuse) };
}

/** Each storage takes 8 bytes, which are its size, and then its numbers. */
async function offsetsOf(
  keys: readonly Pickled[],
  storages: ReadonlyMap<string, TorchStorage>,
  begin: number,
  file: OpenFile,
  refuse: Failures["refuse"],
): Promise<ReadonlyMap<TorchStorage, number>> {
  let at = begin;
  const offsets = new Map<TorchStorage, number>();
  for (const key of keys) {
    const storage = storages.get(key as string);
    if (!storage) return refuse("it lists a storage that none of its tensors has");
    const { size, dtype = "U8" } = storage;
    offsets.set(storage, at + 8);
    at += 8 + size * byteSizes[dtype];
  }
  if (at > file.size) return refuse(`its storages end at byte ${at}, the file at byte ${file.size}`);
  await Promise.all(
    [...offsets].map(async ([{ size }, offset]) => {
      const found = new DataView((await file.read(offset - 8, 8)).slice().buffer).getBigInt64(0, true);
      if (found !== BigInt(size)) refuse(`a storage has ${found} numbers, expected ${size}`);
    }),
  );
  return offsets;
}
