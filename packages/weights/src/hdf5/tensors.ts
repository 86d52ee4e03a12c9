import { formatShape, shortList, sizeOf, UnsupportedError } from "@residual/core";
import { quote } from "../json-reader.ts";
import type { Stretch, WeightsLayout } from "../layout.ts";
import { memoryFile, type OpenFile } from "../open-file.ts";
import { swapBytes } from "../swap-bytes.ts";
import type { TensorEntry } from "../tensor-entry.ts";
import { UnpackedBytes } from "../unpacked-bytes.ts";
import type { Refuse } from "../zip-directory.ts";
import { readChunks } from "./chunks.ts";
import type { ContiguousStorage, Dataset } from "./dataset.ts";
import type { Hdf5File, Hdf5Object } from "./file.ts";

/** The most datasets in a file. No network here has as many parameters. */
const MOST_TENSORS = 100_000;

/** Collects the datasets of a file as tensors. Contiguous numbers stay in the file; all others are read. */
export class TensorsOfHdf5 {
  readonly #hdf5: Hdf5File;
  readonly #file: OpenFile;
  readonly #refuse: Refuse;
  readonly #unpacked: UnpackedBytes;
  readonly #stretches: Stretch[] = [];
  /** Tensors whose numbers were read. */
  readonly #held: Stretch[] = [];
  readonly #order = new Set<string>();
  readonly #leftOut: string[] = [];

  constructor(hdf5: Hdf5File) {
    const { file, refuse } = hdf5.structures;
    this.#hdf5 = hdf5;
    this.#file = file;
    this.#refuse = refuse;
    this.#unpacked = new UnpackedBytes(file);
  }

  /** Adds a dataset. A dataset without numbers is left out. */
  async add(name: string, object: Hdf5Object): Promise<void> {
    const dataset = object.dataset() ?? this.#refuse(`${quote(name)} is no dataset`);
    if (this.#order.has(name)) this.#refuse(`it has two tensors ${quote(name)}`);
    if (this.#order.size === MOST_TENSORS) this.#refuse(`it has more than ${MOST_TENSORS} tensors`);
    const dtype = await storedAs(object, dataset);
    if (!dtype) {
      this.#leftOut.push(quote(name));
      return;
    }
    this.#order.add(name);
    const { shape, storage, type } = dataset;
    const end = sizeOf(shape) * type.size;
    const entry = { name, dtype: dtype.stored, shape, begin: 0, end };
    if (storage.kind === "contiguous" && !dtype.isSwapped && end > 0)
      this.#stretches.push({ file: this.#file, offset: this.#offsetOf(entry, storage), entries: [entry] });
    else {
      const bytes = await this.#read(entry, dataset, dtype.isSwapped);
      this.#held.push({ file: memoryFile(bytes, this.#file.name, this.#file.place), offset: 0, entries: [entry] });
    }
  }

  /** The layout of all added tensors, in the order of `add`. Calls `refuse` if two tensors overlap in the file. */
  layout(metadata: Readonly<Record<string, string>>, notes: readonly string[]): WeightsLayout {
    let covered = 0;
    for (const { offset, entries } of this.#stretches.toSorted((a, b) => a.offset - b.offset)) {
      const { name, end } = entries[0]!;
      if (offset < covered) this.#refuse(`tensor ${quote(name)} has numbers in common with another`);
      covered = offset + end;
    }
    if (this.#order.size === 0)
      throw new UnsupportedError(
        `${this.#file.name}: found an HDF5 file without tensors, expected weights as Keras saves them; save them by ` +
          "model.save_weights",
      );
    const others = this.#leftOut.length === 0 ? [] : [`left out what holds no numbers: ${shortList(this.#leftOut)}`];
    return {
      stretches: [...this.#stretches, ...this.#held],
      order: [...this.#order],
      metadata,
      notes: [...notes, ...others],
    };
  }

  /** The position in the file of a tensor's contiguous numbers. */
  #offsetOf({ name, shape, dtype, end }: TensorEntry, { address, size }: ContiguousStorage): number {
    if (size !== end)
      this.#refuse(
        `tensor ${quote(name)} has ${size} bytes, expected ${end} for ${dtype} ${formatShape(shape.slice(0, 8))}`,
      );
    if (address === undefined) return this.#refuse(`tensor ${quote(name)} was never written`);
    if (address + end > this.#file.size)
      this.#refuse(`tensor ${quote(name)} ends at byte ${address + end} of ${this.#file.size}`);
    return address;
  }

  async #read(entry: TensorEntry, dataset: Dataset, isSwapped: boolean): Promise<Uint8Array> {
    if (dataset.storage.kind === "chunked") this.#unpacked.takeCopies(entry, { isSwapped });
    const bytes = await this.#bytesOf(entry, dataset);
    if (bytes.length !== entry.end)
      this.#refuse(`tensor ${quote(entry.name)} has ${bytes.length} bytes, expected ${entry.end}`);
    return isSwapped ? swapBytes(bytes, dataset.type.size) : bytes;
  }

  async #bytesOf(entry: TensorEntry, { storage, type, shape }: Dataset): Promise<Uint8Array> {
    const { structures } = this.#hdf5;
    if (entry.end === 0) return new Uint8Array();
    if (storage.kind === "held") return storage.bytes.slice(); // a copy frees the structures' memory
    if (storage.kind === "chunked") return readChunks(structures, storage, { shape, size: type.size }, this.#unpacked);
    return this.#file.read(this.#offsetOf(entry, storage), entry.end);
  }
}

interface StoredAs {
  readonly stored: TensorEntry["dtype"];
  readonly isSwapped: boolean;
}

/**
 * The dtype of a dataset; undefined if it has no numbers. Keras stores bfloat16 as opaque bytes, with an attribute as
 * the mark.
 */
async function storedAs(object: Hdf5Object, { type }: Dataset): Promise<StoredAs | undefined> {
  if (type.kind === "number") return { stored: type.stored, isSwapped: type.isBigEndian && type.size > 1 };
  if (type.kind !== "opaque" || type.size !== 2) return undefined;
  const [dtype] = (await object.texts("dtype")) ?? [];
  return dtype === "bfloat16" ? { stored: "BF16", isSwapped: false } : undefined;
}
