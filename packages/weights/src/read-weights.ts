import type { FileHandle } from "node:fs/promises";
import {
  FormatError,
  type NamedSource,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { checkReadable, decodeTensor } from "./decode-tensor.ts";
import { allocate, fileSource, isLazy, type OpenedFile, openedFile, readWhole, scan } from "./file-source.ts";
import { type Header, headerLength, parseHeader, prefixLength, refuse, type TensorEntry } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/**
 * In bytes. Reading a cached file is mostly the kernel's filling of fresh pages, which two reads at a time share
 * between two cores: measured with 102 MB, 55 ms for two lanes of 4 MB, 79 for one, 95 for one of 16 MB, 75 for
 * readFileSync.
 */
const chunkLength = 4 << 20;

/** Endings of formats that hold weights but are not read yet, and how to turn each into safetensors. */
const conversions: Readonly<Record<string, string>> = {
  ".pth": torchConversion("torch.load(path, weights_only=True)"),
  ".pt": torchConversion("torch.load(path, weights_only=True)"),
  ".th": torchConversion('torch.load(path, weights_only=True)["state_dict"]'),
  ".h5": "safetensors.numpy.save_file({weight.path: weight.numpy() for weight in keras_model.weights}, out)",
  ".onnx":
    "safetensors.numpy.save_file({t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}, out)",
};

/**
 * The weights of a `.safetensors` file: a path, a `file:` URL, or its bytes. F16 and BF16 become float32.
 *
 * The data of a small file are read into one buffer, and the tensors are views on it. A file of 32 MiB or more is only
 * scanned for NaN and infinity: its large tensors are lazy sources, which read rows from the file whenever a backend
 * asks for them. The file must stay as it is until then; a read throws FormatError where it has changed. Tensors of
 * given bytes are views on the bytes.
 *
 * `options.onProgress` counts bytes. Throws FormatError for a file that is missing or not what its format says,
 * UnsupportedError for formats and dtypes that are not read, AbortError, OutOfMemoryError.
 */
export async function readWeights(source: Uint8Array, options?: WorkOptions): Promise<Weights<Tensor>>;
export async function readWeights(source: string | URL | Uint8Array, options?: WorkOptions): Promise<Weights>;
export async function readWeights(source: string | URL | Uint8Array, options: WorkOptions = {}): Promise<Weights> {
  throwIfAborted(options.signal);
  if (typeof source !== "string" && !(source instanceof URL)) return weightsOf(source);
  const path = await pathOf(source);
  checkEnding(path);
  const handle = await openFile(path);
  try {
    return await readFile(handle, path, options);
  } finally {
    await handle.close();
  }
}

function torchConversion(load: string): string {
  return `safetensors.torch.save_file({k: v.contiguous() for k, v in ${load}.items()}, out)`;
}

function weightsOf(bytes: Uint8Array): Weights<Tensor> {
  const file = "the given bytes";
  const dataStart = prefixLength + headerLength(bytes, bytes.length, file);
  const header = parseHeader(bytes.subarray(prefixLength, dataStart), bytes.length - dataStart, file);
  for (const entry of header.entries) checkReadable(entry, file);
  return tensorsOf(header, bytes.subarray(dataStart));
}

function tensorsOf({ entries, metadata }: Header, data: Uint8Array): Weights<Tensor> {
  return { tensors: new Map(entries.map((entry) => [entry.name, decodeTensor(entry, data)])), metadata };
}

async function pathOf(source: string | URL): Promise<string> {
  const paths = await import("node:path");
  const urls = await import("node:url");
  const text = String(source);
  const protocol = /^(https?|file):(?=\/\/)/.exec(text)?.[0];
  if (protocol === undefined && typeof source === "string") return paths.resolve(text);
  if (protocol !== "file:") throw new UnsupportedError(`${text}: expected a file; download it first`);
  try {
    return urls.fileURLToPath(text);
  } catch (cause) {
    throw new FormatError(`${text}: ${(cause as Error).message}; give the path of a file`, { cause });
  }
}

function checkEnding(path: string): void {
  const ending = /\.\w+$/.exec(path)?.[0].toLowerCase() ?? "";
  const conversion = Object.hasOwn(conversions, ending) ? conversions[ending] : undefined;
  if (conversion === undefined) return;
  throw new UnsupportedError(
    `${path}: ${ending} is not read yet, expected .safetensors; convert it in Python: ${conversion}`,
  );
}

async function openFile(path: string): Promise<FileHandle> {
  const { open, stat } = await import("node:fs/promises");
  try {
    // Before it is opened: to open a pipe is to wait for whoever writes into it.
    const status = await stat(path);
    if (status.isFile()) return await open(path);
    const found = status.isDirectory() ? "a directory" : "no regular file";
    throw new FormatError(`${path}: found ${found}, expected a .safetensors file; give the path of the file itself`);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem = code === "ENOENT" ? "there is no such file" : `it cannot be opened (${message})`;
    throw new FormatError(`${path}: ${problem}; check the path and its permissions`, { cause });
  }
}

async function readFile(handle: FileHandle, path: string, options: WorkOptions): Promise<Weights> {
  const { size } = await handle.stat();
  if (size === 0) refuse(path, "the file is empty");
  const prefix = await readRange(handle, path, 0, Math.min(size, prefixLength));
  const offset = prefixLength + headerLength(prefix, size, path);
  const headerBytes = await readRange(handle, path, prefixLength, offset - prefixLength);
  const header = parseHeader(headerBytes, size - offset, path);
  for (const entry of header.entries) checkReadable(entry, path);
  if (size < LARGE) return tensorsOf(header, await readRange(handle, path, offset, size - offset, options));
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
  return { tensors: new Map(tensors), metadata };
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
