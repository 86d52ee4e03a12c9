import type { FileHandle } from "node:fs/promises";
import {
  FormatError,
  OutOfMemoryError,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { checkReadable, decodeTensor } from "./decode-tensor.ts";
import { fileTensor, findNonFinite, type OpenedFile, openedFile, readWhole, sourceIn } from "./file-tensor.ts";
import { type Header, headerLength, parseHeader, prefixLength, refuse, type TensorEntry } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/**
 * In bytes. Reading a cached file is mostly the kernel's filling of fresh pages, which two reads at a time share between
 * two cores: measured with 102 MB, 55 ms for two lanes of 4 MB, 79 for one, 95 for one of 16 MB, 75 for readFileSync.
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
 * The weights of a `.safetensors` file: a path, a `file:` URL, or its bytes. Each F32 tensor of a file says in `source`
 * where it lies in it. A small file's data are read into one buffer, which the tensors are views on (F16 and BF16 are
 * widened beside it). Of a file of 32 MiB or more the F32 tensors are only looked through, for numbers that are none: each is read
 * when its `data` is first asked for, which a backend that streams them never does. Until then the file must stay as it
 * is; a FormatError says where it has changed. Tensors of bytes are views on those bytes.
 *
 * `options.onProgress` counts bytes. Throws FormatError for a file that is missing or not what its format says,
 * UnsupportedError for formats and dtypes that are not read, AbortError, OutOfMemoryError.
 */
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

function weightsOf(bytes: Uint8Array): Weights {
  const file = "the given bytes";
  const dataStart = prefixLength + headerLength(bytes, bytes.length, file);
  const header = parseHeader(bytes.subarray(prefixLength, dataStart), bytes.length - dataStart, file);
  for (const entry of header.entries) checkReadable(entry, file);
  return tensorsOf(header, bytes.subarray(dataStart));
}

function tensorsOf(
  { entries, metadata }: Header,
  data: Uint8Array,
  origin?: { readonly file: OpenedFile; readonly offset: number },
): Weights {
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const tensor = decodeTensor(entry, data);
    const source = origin && sourceIn(origin.file, origin.offset + entry.begin);
    tensors.set(entry.name, source && entry.dtype === "F32" ? { ...tensor, source } : tensor);
  }
  return { tensors, metadata };
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
  const file = await openedFile(handle, path);
  if (size < LARGE)
    return tensorsOf(header, await readRange(handle, path, offset, size - offset, options), { file, offset });
  return lookThrough(handle, header, { file, offset }, options);
}

/** From this size on, in bytes, what is not read is worth more than the ease of having it. */
const LARGE = 32 << 20;

/** Weights of a large file: F32 tensors as they are asked for, the few others, if any, at once. */
async function lookThrough(
  handle: FileHandle,
  { entries, metadata }: Header,
  { file, offset }: { readonly file: OpenedFile; readonly offset: number },
  options: WorkOptions,
): Promise<Weights> {
  const lazy = entries.filter(({ dtype, begin }) => dtype === "F32" && begin % 4 === 0);
  const total = lazy.at(-1)?.end ?? 0;
  const found = await findNonFinite(handle, { path: file.path, offset }, lazy, (done) => {
    throwIfAborted(options.signal);
    options.onProgress?.({ stage: "read weights", done, total });
  });
  const firsts = new Map(lazy.map((entry, i) => [entry, found[i]!]));
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const firstNonFinite = firsts.get(entry);
    const place = { file, offset: offset + entry.begin };
    tensors.set(
      entry.name,
      firstNonFinite === undefined
        ? await readEntry(handle, entry, place)
        : fileTensor(entry.shape, { ...place, firstNonFinite }),
    );
  }
  return { tensors, metadata };
}

async function readEntry(
  handle: FileHandle,
  entry: TensorEntry,
  { file, offset }: { readonly file: OpenedFile; readonly offset: number },
): Promise<Tensor> {
  const length = entry.end - entry.begin;
  return decodeTensor({ ...entry, begin: 0, end: length }, await readRange(handle, file.path, offset, length));
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

/** Waits for all, whatever becomes of them (nothing may still read from a handle once it is closed); then the first failure. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}

/** A buffer of its own, not filled with zeros: all of it is about to be read over. */
function allocate(length: number, path: string): Uint8Array {
  try {
    return Buffer.allocUnsafeSlow(length);
  } catch (cause) {
    throw new OutOfMemoryError(
      `${path}: there is no memory for its ${length} bytes; free some, or take a smaller file`,
      { cause },
    );
  }
}
