import type { Stats } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  FormatError,
  type NamedSource,
  shortList,
  throwIfAborted,
  WeightsError,
  type WorkOptions,
} from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { checkReadable, decodeTensor } from "./decode-tensor.ts";
import { allocate, fileSource, isLazy, type OpenedFile, openedFile, readWhole, scan } from "./file-source.ts";
import { formatOf, START } from "./format.ts";
import { knownWeights } from "./known.ts";
import type { TorchFormat } from "./pytorch/layout.ts";
import { decoded, named } from "./reader.ts";
import { type Header, headerLength, parseHeader, prefixLength, type TensorEntry } from "./safetensors.ts";
import { joinShards, longestIndex, readIndex, refuseNested } from "./shards.ts";
import type { Weights } from "./weights.ts";

/**
 * In bytes. Reading a cached file is mostly the kernel's filling of fresh pages, which two reads at a time share
 * between two cores: measured with 102 MB, 55 ms for two lanes of 4 MB, 79 for one, 95 for one of 16 MB, 75 for
 * readFileSync.
 */
const chunkLength = 4 << 20;

/** Files that a folder of the Hugging Face hub's may hold, in the order in which they are looked for. */
const inFolders = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/**
 * The weights of a file, or of the only file of weights in a folder. Throws WeightsError for a file that is missing or
 * cannot be opened, FormatError for one that is no file of weights or a damaged one, UnsupportedError for formats and
 * dtypes that are not read.
 */
export async function readFile(path: string, options: WorkOptions): Promise<Weights> {
  const status = await statusOf(path);
  if (status.isDirectory()) return readFile(await fileIn(path), options);
  return readOpened(path, options);
}

/** What stands at a path, before it is opened: to open a pipe is to wait for whoever writes into it. */
async function statusOf(path: string): Promise<Stats> {
  const status = await stat(path).catch((cause: unknown) => refusePath(path, cause));
  if (status.isFile() || status.isDirectory()) return status;
  const found = status.isFIFO() ? "a pipe" : status.isSocket() ? "a socket" : "a device";
  throw new FormatError(`${shown(path)}: found ${found}, expected a .safetensors or PyTorch file; give a stream of it`);
}

function refusePath(path: string, cause: unknown): never {
  const { code } = cause as NodeJS.ErrnoException;
  const isMissing = code === "ENOENT" || code === "ENOTDIR";
  const names = knownWeights.map(({ name }) => name).join(", ");
  const problem = isMissing
    ? `there is no such file; check the path, or take weights that are known by a name: ${names}`
    : `it cannot be opened (${code}); check the path and its permissions`;
  throw new WeightsError(`${path === "" ? "an empty path" : shown(path)}: ${problem}`, { cause });
}

async function fileIn(folder: string): Promise<string> {
  const found = await readdir(folder).catch((cause: unknown) => refusePath(folder, cause));
  const others = found.filter((name) => name.endsWith(".safetensors"));
  const file = inFolders.find((name) => found.includes(name)) ?? (others.length === 1 ? others[0] : undefined);
  if (file !== undefined) return join(folder, file);
  const holds =
    others.length === 0 ? "no .safetensors file" : `${others.length}: ${shortList(others.map((n) => shown(n)))}`;
  throw new FormatError(`${shown(folder)}: found a directory with ${holds}; name a file of weights`);
}

async function readOpened(path: string, options: WorkOptions, isLarge?: boolean): Promise<Weights> {
  const file = shown(path);
  await using handle = await open(path).catch((cause: unknown) => refusePath(path, cause));
  const { size } = await handle.stat();
  const start = await readRange(handle, file, 0, Math.min(size, START));
  const format = formatOf(start, size);
  // resolved, as the current folder may change before the rows of a large file are read
  const opened = { path: resolve(path), size, isLarge: isLarge ?? size >= LARGE };
  if (format === "safetensors") return await readSafetensors(handle, { ...opened, start }, options);
  if (format === "PyTorch" || format === "PyTorch before 1.6") return await readTorch(handle, format, opened, options);
  if (format !== "index") throw format.refuse(file);
  if (isLarge !== undefined) refuseNested(file); // it is read as a shard
  if (size > longestIndex)
    throw new FormatError(`${file}: found an index of ${size} bytes, expected at most ${longestIndex}`);
  return await readShards(path, await readRange(handle, file, 0, size), options);
}

/** The shards beside an index. Together they are as large as one file. */
async function readShards(path: string, bytes: Uint8Array, options: WorkOptions): Promise<Weights> {
  const index = readIndex(bytes, shown(path));
  const sizes = new Map<string, number>();
  for (const shard of index.files) {
    const found = join(dirname(path), shard);
    const status = await statusOf(found);
    if (!status.isFile())
      throw new FormatError(`${shown(found)}: found a directory, expected a .safetensors or PyTorch file`);
    sizes.set(shard, status.size);
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const shards = new Map<string, Weights>();
  let before = 0;
  for (const [shard, size] of sizes) {
    const onProgress: WorkOptions["onProgress"] = ({ stage, done, total: all }) =>
      options.onProgress?.({ stage, done: before + (done / all) * size, total });
    shards.set(shard, await readOpened(join(dirname(path), shard), { ...options, onProgress }, total >= LARGE));
    before += size;
  }
  return joinShards(index, shards, shown(path));
}

interface Opened {
  readonly path: string;
  readonly size: number;
  readonly isLarge: boolean;
}

async function readSafetensors(
  handle: FileHandle,
  { start, ...opened }: Opened & { readonly start: Uint8Array },
  options: WorkOptions,
): Promise<Weights> {
  const { path, size } = opened;
  const file = shown(path);
  const offset = prefixLength + headerLength(start, size, file);
  const headerBytes = await readRange(handle, file, prefixLength, offset - prefixLength);
  const header = parseHeader(headerBytes, size - offset, file);
  return readData(handle, header, { ...opened, offset }, options);
}

/** A checkpoint of PyTorch. Tensors whose numbers do not lie in order are held in memory. */
async function readTorch(handle: FileHandle, format: TorchFormat, opened: Opened, options: WorkOptions) {
  const { path, size } = opened;
  const file = shown(path);
  const read = (position: number, length: number) => readRange(handle, file, position, length);
  const { torchLayout, gatherViews } = await import("./pytorch/index.ts");
  const { entries, offset, views } = await torchLayout({ size, read }, file, format);
  return gatherViews(await readData(handle, { entries, metadata: {} }, { ...opened, offset }, options), views);
}

/** The tensors of a file whose header is read; their data begin at `offset`, in bytes. */
async function readData(
  handle: FileHandle,
  header: Header,
  { path, size, isLarge, offset }: Opened & { readonly offset: number },
  options: WorkOptions,
): Promise<Weights> {
  const file = shown(path);
  for (const entry of header.entries) checkReadable(entry, file);
  if (!isLarge) return decoded(header, await readRange(handle, file, offset, size - offset, options), path);
  return scanned(handle, header, { file: await openedFile(handle, path), offset }, options);
}

/** Files from this size on, in bytes, are not held in memory. */
const LARGE = 32 << 20;

/** Tensors up to this size, in bytes, are held in memory even so: passes fold the statistics of norms at once. */
const SMALL = 64 << 10;

/** The weights of a large file: small tensors, and tensors of dtypes without rows, in memory, the others lazy. */
async function scanned(
  handle: FileHandle,
  { entries, metadata }: Header,
  { file, offset }: { readonly file: OpenedFile; readonly offset: number },
  { signal, onProgress }: WorkOptions,
): Promise<Weights> {
  const total = entries.reduce((end, entry) => Math.max(end, entry.end), 0);
  const isHeld = (entry: TensorEntry) => entry.end - entry.begin <= SMALL || !isLazy(entry);
  const found = await scan(handle, { path: file.path, offset }, entries, isHeld, (done) => {
    throwIfAborted(signal);
    onProgress?.({ stage: "read weights", done, total });
  });
  const tensors = entries.map((entry): [string, NamedSource] => {
    const { bytes, firstNonFinite } = found.get(entry)!;
    if (bytes || !isLazy(entry)) return [entry.name, decodeTensor({ ...entry, begin: 0, end: bytes!.length }, bytes!)];
    return [entry.name, fileSource(file, offset, entry, firstNonFinite)];
  });
  return named(new Map(tensors), metadata, file.path);
}

/** `length` bytes of the file from `position` on, chunk by chunk in two lanes. */
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

/**
 * Waits for all, whatever becomes of them (nothing may still read from a handle once it is closed); then the first
 * failure.
 */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
