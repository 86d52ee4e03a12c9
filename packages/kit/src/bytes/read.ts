import {
  abortError,
  describeValue,
  FormatError,
  OutOfMemoryError,
  ResidualError,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import { shown } from "./shown.ts";
import {
  type BlobLike,
  type ByteSource,
  isAsyncIterable,
  isBlob,
  isResponse,
  isStream,
  KINDS,
  memoryOf,
  nameOf,
  type ResponseLike,
  type StreamLike,
  urlOf,
  withoutPassword,
} from "./source.ts";

export interface ReadOptions extends WorkOptions {
  /** The most bytes to read; default: no limit. Longer data is never held in memory. */
  readonly maxBytes?: number | undefined;
  /** The expected contents, for messages: `an image file`. */
  readonly expected?: string | undefined;
  /** The name of a source without a name, for messages: `image`. Default "the given bytes" */
  readonly name?: string | undefined;
  /** Name of the stage for progress; default "read". The unit is bytes; an unknown total is Infinity. */
  readonly stage?: string | undefined;
}

/** The options, with the texts for messages. */
export interface Reading extends ReadOptions {
  readonly name: string;
  readonly expected: string;
  readonly maxBytes: number;
  /** Advice for an address that cannot be fetched. */
  readonly fetchAdvice: string;
}

/** A source of chunks of bytes. */
interface Chunks {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: unknown }>;
  /** Cancels the source, even if `next` never settles. */
  stop(reason: unknown): void;
}

/** The functions that differ between platforms. */
export interface Platform {
  /** Reads a path of the platform: text that is not an http(s), data or blob URL. */
  readonly readPath: (path: string, reading: Reading) => Promise<Uint8Array>;
  readonly fetchAdvice: string;
}

/** `readBytes` for a platform. */
export function bytesReader({
  readPath,
  fetchAdvice,
}: Platform): (source: ByteSource, options?: ReadOptions) => Promise<Uint8Array> {
  return async (source, options = {}) => {
    throwIfAborted(options.signal);
    const { name = "the given bytes", expected = "bytes", maxBytes = Number.POSITIVE_INFINITY } = options;
    const reading = { ...options, name: nameOf(source, name), expected, maxBytes, fetchAdvice };
    const bytes = await readAny(source, reading, readPath);
    throwIfAborted(options.signal);
    return bytes;
  };
}

async function readAny(source: ByteSource, reading: Reading, readPath: Platform["readPath"]): Promise<Uint8Array> {
  const url = urlOf(source);
  if (url !== undefined && !/^file:/i.test(url)) return fetchBytes(url, reading);
  if (url !== undefined || typeof source === "string") return readPath(url ?? (source as string), reading);
  const memory = memoryOf(source, reading.name);
  if (memory) return checkLength(memory.length, reading, () => memory);
  if (isResponse(source)) return readResponse(source, reading);
  if (isBlob(source)) return checkLength(source.size, reading, () => readBlob(source, reading));
  if (isStream(source) || isAsyncIterable(source)) return collect(chunksOf(source, reading), undefined, reading);
  throw new FormatError(`${reading.name}: found ${describeValue(source)}, expected ${reading.expected} as ${KINDS}`);
}

/** Throws FormatError for more than `maxBytes`. */
export function checkLength<T>(length: number, { name, maxBytes }: Reading, work: () => T): T {
  if (length <= maxBytes) return work();
  throw new FormatError(`${name}: found ${length} bytes, expected at most ${maxBytes}`);
}

/** Fetches a URL; in a browser, relative to the page. */
export async function fetchBytes(url: string, reading: Reading): Promise<Uint8Array> {
  const { signal, name, expected, fetchAdvice } = reading;
  try {
    return await withResponse(url, signal, (response) => readResponse(response, reading));
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof ResidualError) throw cause;
    throw new FormatError(
      `${name}: it could not be fetched (${reasonOf(cause)}), expected ${expected}; ${fetchAdvice}`,
      { cause },
    );
  }
}

/** Fetches a URL, and passes the response to `read`. The download stops once `read` returns. */
export async function withResponse<T>(
  url: string,
  signal: WorkOptions["signal"],
  read: (response: ResponseLike) => Promise<T>,
): Promise<T> {
  const controller = new AbortController(); // fetch takes only the platform's own AbortSignal
  const abort = () => controller.abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await read(await fetch(url, { signal: controller.signal }));
  } finally {
    signal?.removeEventListener("abort", abort);
    abort();
  }
}

async function readResponse(response: ResponseLike, reading: Reading): Promise<Uint8Array> {
  const { name, expected } = reading;
  if (!response.ok) {
    const status = `${response.status} ${shown(response.statusText, 60)}`.trim();
    if (response.body && !response.bodyUsed) chunksOf(response.body, reading).stop("refused");
    throw new FormatError(`${name}: the server answered ${status}, expected ${expected}; check the address`);
  }
  if (response.bodyUsed) {
    throw new FormatError(`${name}: found a Response whose body was read before; give its clone() instead`);
  }
  // for a compressed response the header has the compressed length
  const told = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  const length = told === null ? undefined : Number(told);
  if (length !== undefined) checkLength(length, reading, ignore);
  return response.body ? collect(chunksOf(response.body, reading), length, reading) : new Uint8Array();
}

async function readBlob(blob: BlobLike & { stream?: () => StreamLike }, reading: Reading): Promise<Uint8Array> {
  if (blob.stream) return collect(chunksOf(blob.stream(), reading), blob.size, reading);
  return new Uint8Array(await blob.arrayBuffer());
}

function chunksOf(source: StreamLike | AsyncIterable<unknown>, { name }: Reading): Chunks {
  if (!isStream(source)) return chunksOfIterable(source);
  try {
    const reader = source.getReader();
    return { next: () => reader.read(), stop: (reason) => void reader.cancel(reason).catch(ignore) };
  } catch (cause) {
    throw new FormatError(`${name}: found a stream that has another reader; give one that nothing else reads`, {
      cause,
    });
  }
}

/** A stalled Readable must be destroyed: its iterator would return only after the next chunk. */
function chunksOfIterable(source: AsyncIterable<unknown> & { destroy?: () => void }): Chunks {
  const iterator = source[Symbol.asyncIterator]();
  return {
    next: () => iterator.next(),
    stop() {
      if (typeof source.destroy === "function") source.destroy();
      void Promise.resolve(iterator.return?.()).catch(ignore);
    },
  };
}

/** All chunks in one array. It is allocated once if `length` is known; otherwise its size doubles as needed. */
async function collect(chunks: Chunks, length: number | undefined, reading: Reading): Promise<Uint8Array> {
  const { name, signal, onProgress, stage = "read" } = reading;
  let bytes = allocate(length ?? 1 << 16, name);
  let done = 0;
  try {
    for (;;) {
      const { done: ended, value } = await untilAborted(signal, chunks.next());
      if (ended) break;
      const chunk = memoryOf(value, name) ?? refuseChunk(value, name);
      checkLength(done + chunk.length, reading, ignore);
      if (done + chunk.length > bytes.length) {
        const larger = allocate(Math.max(2 * bytes.length, done + chunk.length), name);
        larger.set(bytes.subarray(0, done));
        bytes = larger;
      }
      bytes.set(chunk, done);
      done += chunk.length;
      onProgress?.({ stage, done, total: Math.max(done, length ?? Number.POSITIVE_INFINITY) });
    }
  } catch (cause) {
    chunks.stop(cause);
    if (cause instanceof ResidualError) throw cause;
    throw new FormatError(`${name}: the stream failed (${reasonOf(cause)}); try it again`, { cause });
  }
  onProgress?.({ stage, done, total: done });
  return done === bytes.length ? bytes : bytes.slice(0, done);
}

function refuseChunk(value: unknown, name: string): never {
  const hint = typeof value === "string" ? "text; set no encoding on the stream" : describeValue(value);
  throw new FormatError(`${name}: found a stream of ${hint}, expected a stream of bytes`);
}

/** Zero-filled memory. Throws OutOfMemoryError if the allocation fails. */
export function allocate(length: number, name: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new OutOfMemoryError(`${name}: no memory for ${length} bytes`, { cause });
  }
}

/** Rejects with AbortError as soon as the signal is aborted, even if `work` never settles. */
function untilAborted<T>(signal: WorkOptions["signal"], work: Promise<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The messages of an error and of its cause: the message of Node's fetch is only "fetch failed". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return describeValue(error);
  const { cause } = error as { readonly cause?: { readonly message?: string; readonly code?: string } };
  const why = cause?.message || cause?.code; // an AggregateError (several addresses tried) has no message
  return shown(withoutPassword(why ? `${error.message}: ${why}` : error.message));
}

const ignore = () => {};
