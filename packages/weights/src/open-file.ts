import { FormatError, type NamedSource, type WorkOptions } from "@residual/core";
import { decodeTensor } from "./decode-tensor.ts";
import { quote } from "./json-reader.ts";
import type { TensorEntry } from "./tensor-entry.ts";

/** An open file, which can be read from any position. */
export interface OpenFile {
  /** The file's name in messages. */
  readonly name: string;
  /** The path or address. Published weights are recognized by it. */
  readonly place: string;
  /** The size in bytes. */
  readonly size: number;
  /** Reads `length` bytes from `position` on. The range must lie within the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  /**
   * Opens another file; `path` is relative to this file's folder. It stays open as long as this file. Throws
   * FormatError if the path leaves the folder, or if this file's folder is not known.
   */
  beside(path: string): Promise<OpenFile>;
  /** The tensors of entries, in order. `begin` and `end` of an entry count from `offset`, in bytes. */
  tensors(
    entries: readonly TensorEntry[],
    offset: number,
    options: TensorOptions,
  ): Promise<ReadonlyMap<string, NamedSource>>;
}

interface TensorOptions extends WorkOptions {
  /**
   * Whether large tensors stay in the file and are read row by row. Otherwise tensors are in memory, as views on bytes.
   */
  readonly isLazy: boolean;
}

/** Opens the file at a path relative to the folder of a file in memory. */
export type OpenBeside = (path: string) => Promise<OpenFile>;

/** Bytes in memory as an open file. `beside` opens files in the same folder, if the folder is known. */
export function memoryFile(bytes: Uint8Array, name: string, place: string, beside?: OpenBeside): OpenFile {
  return {
    name,
    place,
    size: bytes.length,
    read: async (position, length) => bytes.subarray(position, position + length),
    beside: beside ? async (path) => beside(checkInside(path, name)) : nothingBeside(name),
    tensors: async (entries, offset) => decodeAll(entries, bytes.subarray(offset)),
  };
}

/** A part of a file as a file: `size` bytes from `offset` on. It has no folder. */
export function partOf(file: OpenFile, offset: number, size: number): OpenFile {
  return {
    name: file.name,
    place: file.place,
    size,
    read: (position, length) => file.read(offset + position, length),
    beside: nothingBeside(file.name),
    tensors: (entries, from, options) => file.tensors(entries, offset + from, options),
  };
}

function nothingBeside(file: string): OpenBeside {
  return async (path) => {
    throw new FormatError(
      `${file}: it needs the file ${quote(path)} beside it; give its path or its address, so that the file is found`,
    );
  };
}

export function decodeAll(entries: readonly TensorEntry[], data: Uint8Array): ReadonlyMap<string, NamedSource> {
  return new Map(entries.map((entry) => [entry.name, decodeTensor(entry, data)]));
}

/**
 * Checks that a relative path stays in the folder of `file`, or in folders below. Throws FormatError for other paths.
 */
export function checkInside(path: string, file: string): string {
  const isInside = path !== "" && !/[\\:\0]/.test(path) && path.split("/").every((part) => !/^\.*$/.test(part));
  if (isInside) return path;
  throw new FormatError(`${file}: it names the file ${quote(path)}, expected one that lies beside it`);
}
