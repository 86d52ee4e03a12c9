import { readSync, type Stats } from "node:fs";
import { type FileHandle, open, readdir, readFile as readText, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import {
  FormatError,
  type NamedSource,
  shortList,
  throwIfAborted,
  WeightsError,
  type WorkOptions,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { type Configuration, configurationFiles, longestConfiguration } from "./configuration.ts";
import { decodeTensor } from "./decode-tensor.ts";
import { weightFiles } from "./download/repository.ts";
import { allocate, endedAt, fileSource, isLazy, type OpenedFile, openedFile, readWhole, scan } from "./file-source.ts";
import { convertSavedModel, EXPECTED, SAVED_MODEL } from "./format.ts";
import type { ReadingOptions } from "./layout.ts";
import { checkInside, decodeAll, type OpenFile } from "./open-file.ts";
import { readOpen } from "./readers.ts";
import type { TensorEntry } from "./tensor-entry.ts";
import type { Weights } from "./weights.ts";

/**
 * In bytes. When a cached file is read, most of the time is the kernel's, for filling fresh pages; two parallel reads
 * use two cores for this. Measured with 102 MB: two lanes of 4 MB 55 ms, one lane of 4 MB 79 ms, one lane of 16 MB 95
 * ms, readFileSync 75 ms.
 */
const chunkLength = 4 << 20;

/**
 * Reads the weights of a file, or of the only file of weights in a folder. Throws WeightsError for a file that is
 * missing or cannot be opened, FormatError for a file that is damaged or not a file of weights, UnsupportedError for
 * formats and dtypes that are not supported.
 */
export async function readFile(path: string, options: ReadingOptions): Promise<Weights> {
  const status = await statusOf(path);
  const file = status.isDirectory() ? await fileIn(path) : path;
  const weights = await readOpened(file, options);
  return status.isDirectory() || weightFiles.includes(basename(file)) ? configured(weights, dirname(file)) : weights;
}

/** Adds the configurations in the folder to the weights. */
async function configured(weights: Weights, folder: string): Promise<Weights> {
  const found = await Promise.all(configurationFiles.map((name) => configurationAt(join(folder, name))));
  if (found.every((each) => each === undefined)) return weights;
  const { withConfiguration } = await import("./hugging-face.ts");
  return withConfiguration(weights, ...found);
}

async function configurationAt(path: string): Promise<Configuration | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (!status?.isFile()) return undefined;
  const file = shown(path);
  if (status.size > longestConfiguration)
    throw new FormatError(`${file}: found ${status.size} bytes, expected at most ${longestConfiguration}`);
  return { file, text: await readText(path, "utf8").catch((cause: unknown) => refusePath(path, cause)) };
}

/** The status of a path. Checked before opening, because opening a pipe waits for a writer. */
async function statusOf(path: string): Promise<Stats> {
  const status = await stat(path).catch((cause: unknown) => refusePath(path, cause));
  if (status.isFile() || status.isDirectory()) return status;
  const found = status.isFIFO() ? "a pipe" : status.isSocket() ? "a socket" : "a device";
  throw new FormatError(`${shown(path)}: found ${found}, expected ${EXPECTED}; give a stream of it`);
}

async function refusePath(path: string, cause: unknown): Promise<never> {
  const { code } = cause as NodeJS.ErrnoException;
  const isMissing = code === "ENOENT" || code === "ENOTDIR";
  const problem = isMissing
    ? `there is no such file; ${await hintFor(path)}`
    : `it cannot be opened (${code}); check the path and its permissions`;
  throw new WeightsError(`${path === "" ? "an empty path" : shown(path)}: ${problem}`, { cause });
}

async function hintFor(path: string): Promise<string> {
  const { nearestName } = await import("./known/names.ts");
  const nearest = await nearestName(path);
  if (nearest !== undefined) return `did you mean the known weights ${nearest}?`;
  return "check the path, or take weights that are known by a name: residual weights list";
}

/** The names of files that a folder is searched for: the hub's, an exported model's, a TensorFlow.js model's. */
const inFolders: readonly string[] = [...weightFiles, "model.onnx", "model.json"];

async function fileIn(folder: string): Promise<string> {
  const found = await readdir(folder).catch((cause: unknown) => refusePath(folder, cause));
  const others = found.filter((name) => name.endsWith(".safetensors"));
  const file = inFolders.find((name) => found.includes(name)) ?? (others.length === 1 ? others[0] : undefined);
  if (file !== undefined) return join(folder, file);
  const name = shown(folder);
  if (found.includes("saved_model.pb"))
    throw new FormatError(`${name}: found ${SAVED_MODEL}, expected ${EXPECTED}; ${convertSavedModel(name)}`);
  const holds =
    others.length > 0
      ? `a directory with ${others.length} files of weights, ${shortList(others.map((n) => shown(n)))}, expected one`
      : `a directory without ${inFolders.join(", ")} or another .safetensors file`;
  throw new FormatError(`${name}: found ${holds}; name a file of weights`);
}

async function readOpened(path: string, options: ReadingOptions): Promise<Weights> {
  const opened: FileHandle[] = [];
  try {
    return await readOpen(await openFile(path, opened), options);
  } finally {
    await Promise.all(opened.map((handle) => handle.close()));
  }
}

/** Opens a file on disk. Its handle, and the handles of files opened from it, are added to `opened`. */
async function openFile(path: string, opened: FileHandle[]): Promise<OpenFile> {
  const name = shown(path);
  const handle = await open(path).catch((cause: unknown) => refusePath(path, cause));
  opened.push(handle);
  const { size } = await handle.stat();
  const place = resolve(path); // absolute, because the current folder may change before rows of a large file are read
  return {
    name,
    place,
    size,
    read: async (position, length) =>
      length <= SHORT ? readShort(handle, name, position, length) : readRange(handle, name, position, length),
    async beside(inside) {
      const found = join(dirname(path), checkInside(inside, name));
      if ((await statusOf(found)).isFile()) return openFile(found, opened);
      throw new FormatError(`${shown(found)}: found a directory, expected a file`);
    },
    async tensors(entries, offset, options) {
      if (options.isLazy) return scanned(handle, entries, { file: await openedFile(handle, place), offset }, options);
      const length = entries.reduce((end, entry) => Math.max(end, entry.end), 0);
      return decodeAll(entries, await readRange(handle, name, offset, length, options));
    },
  };
}

/** In bytes. Up to this length, a synchronous read is faster than a switch to another thread. */
const SHORT = 16 << 10;

function readShort(handle: FileHandle, path: string, position: number, length: number): Uint8Array {
  const bytes = allocate(length, path);
  for (let done = 0; done < length; ) {
    const count = readSync(handle.fd, bytes, done, length - done, position + done);
    if (count === 0) endedAt(position + done, path);
    done += count;
  }
  return bytes;
}

/** In bytes. Smaller tensors are always in memory, so that passes can fold statistics of norms at once. */
const SMALL = 64 << 10;

/**
 * The tensors of a large file. Small tensors, and tensors of dtypes that cannot be read by rows, are in memory; others
 * are lazy.
 */
async function scanned(
  handle: FileHandle,
  entries: readonly TensorEntry[],
  { file, offset }: { readonly file: OpenedFile; readonly offset: number },
  { signal, onProgress }: WorkOptions,
): Promise<ReadonlyMap<string, NamedSource>> {
  const total = entries.reduce((end, entry) => Math.max(end, entry.end), 0);
  const isHeld = (entry: TensorEntry) => entry.end - entry.begin <= SMALL || !isLazy(entry);
  const found = await scan(handle, { path: file.path, offset }, entries, isHeld, (done) => {
    throwIfAborted(signal);
    onProgress?.({ stage: "read weights", done, total });
  });
  const tensors = entries.map((entry): [string, NamedSource] => {
    const scanned = found.get(entry)!;
    const { bytes } = scanned;
    if (bytes || !isLazy(entry)) return [entry.name, decodeTensor({ ...entry, begin: 0, end: bytes!.length }, bytes!)];
    return [entry.name, fileSource(file, offset, entry, scanned)];
  });
  return new Map(tensors);
}

/** Reads `length` bytes from `position` on, in chunks, with two reads in flight. */
async function readRange(
  handle: FileHandle,
  path: string,
  position: number,
  length: number,
  { signal, onProgress }: WorkOptions = {},
): Promise<Uint8Array> {
  const bytes = allocate(length, path);
  let [next, done] = [0, 0];
  const lane = async () => {
    while (next < length) {
      throwIfAborted(signal);
      const begin = next;
      const end = Math.min(begin + chunkLength, length);
      next = end;
      await readWhole(handle, path, position + begin, bytes.subarray(begin, end));
      done += end - begin;
      onProgress?.({ stage: "read weights", done, total: length });
    }
  };
  const stopping = () =>
    lane().catch((cause) => {
      next = length;
      throw cause;
    });
  await allDone([stopping(), stopping()]);
  throwIfAborted(signal);
  return bytes;
}

/** Waits until all work has ended, because no read may outlast its file handle. Then throws the first error. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
