import { UnsupportedError } from "@residual/core";
import { byteSizes } from "../dtypes.ts";
import type { OpenFile } from "../open-file.ts";
import { type Failures, type TorchStorage, torchUnpickler } from "./objects.ts";
import type { Pickled } from "./unpickler.ts";

/** PyTorch's magic number of the format before 1.6: a sequence of pickles, followed by the storages. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Bytes of pickles that are read at first, and at most. Pickles name tensors, and do not hold numbers. */
const [FIRST, MOST] = [1 << 20, 64 << 20];

/** The contents of a file of torch.save: an object, and the positions of its storages. */
export interface Saved {
  readonly root: Pickled;
  /** Positions in the file, in bytes. */
  readonly offsets: ReadonlyMap<TorchStorage, number>;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Thrown if the available bytes end within a pickle. */
class Cut extends Error {}

/**
 * Reads a file in the format before PyTorch 1.6. Throws the error of `refuse`, and UnsupportedError for content that a
 * state dict does not have. Source: torch/serialization.py, `_legacy_save`.
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

/** The positions of the storages' numbers. The size of a storage precedes its numbers, in 8 bytes. */
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
