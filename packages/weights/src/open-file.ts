import { FormatError, type NamedSource, type WorkOptions } from "@residual/core";
import { decodeTensor } from "./decode-tensor.ts";
import { quote } from "./json-reader.ts";
import type { TensorEntry } from "./tensor-entry.ts";

/** A file that is open: its bytes are read from any position. */
export interface OpenFile {
  /** The file as messages call it. */
  readonly name: string;
  /** The path or address, by which published weights are known. */
  readonly place: string;
  /** In bytes. */
  readonly size: number;
  /** `length` bytes from `position` on. The range lies within the size. */
  read(position: number, length: number): Promise<Uint8Array>;
  /**
   * Opens another file; `path` is relative to this one's folder. It stays open as long as this one. Throws FormatError
   * where the path leads out of the folder, and where nothing is known to lie beside this file.
   */
  beside(path: string): Promise<OpenFile>;
  /** The tensors of entries, in their order; `begin` and `end` of an entry count from `offset`, in bytes. */
  tensors(
    entries: readonly TensorEntry[],
    offset: number,
    options: TensorOptions,
  ): Promise<ReadonlyMap<string, NamedSource>>;
}

interface TensorOptions extends WorkOptions {
  /** Whether large tensors stay in the file, to be read row by row. Those of bytes in memory are views on them. */
  readonly isLazy: boolean;
}

/** Opens the file at a path, relative to a held file's folder. */
export type OpenBeside = (path: string) => Promise<OpenFile>;

/** Bytes in memory as an open file. `beside` opens files in the same folder, if it is known. */
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

/** `size` bytes of a file starting at `offset`, as a file. It has no neighbouring files. */
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

/** A relative path that names a file in the folder of `file`, or in a folder below. Throws FormatError for others. */
export function checkInside(path: string, file: string): string {
  const isInside = path !== "" && !/[\\:\0]/.test(path) && path.split("/").every((part) => !/^\.*$/.test(part));
  if (isInside) return path;
  throw new FormatError(`${file}: it names the file ${quote(path)}, expected one that lies beside it`);
}
