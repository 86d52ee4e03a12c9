import { OutOfMemoryError, throwIfAborted, WeightsError, type WorkOptions } from "@residual/core";
import { readBytes, withResponse } from "@residual/kit/bytes";
import { type Configuration, configurationFiles, longestConfiguration } from "../configuration.ts";
import { isList, isNumber, recordOf } from "../json-values.ts";
import type { Named } from "../known/names.ts";
import { memoryFile, type OpenFile } from "../open-file.ts";
import { HUB, hubUrl, weightFiles } from "./repository.ts";
import { NotThere, pause, refusal, retryDefaults, TransientFailure, waitAfter } from "./retry.ts";

interface WebOptions extends WorkOptions {
  readonly offline?: boolean | undefined;
  readonly maxBytes?: number | undefined;
}

/** The expected size and hash of a file. */
interface Expected {
  readonly bytes?: number | undefined;
  /** 64 hexadecimal digits, or the first ones. */
  readonly sha256?: string | undefined;
}

const MOST_BYTES = 2 ** 32;

/** Opened weights, and the configuration files in their folder. */
interface Opened {
  readonly file: OpenFile;
  readonly configurations: readonly (Configuration | undefined)[];
}

/**
 * Opens the weights of a name in a browser. Cached weights come from Cache storage; others are fetched and cached.
 * Throws WeightsError if the weights are unavailable; AbortError.
 */
export async function openNamed(name: string, named: Named, options: WebOptions): Promise<Opened> {
  if ("known" in named) {
    const { url } = named.known;
    const file = await open(url, named.known, name, options);
    return { file: file ?? refuseMissing(name, options, `the server does not have ${url}`), configurations: [] };
  }
  const { repository } = named;
  for (const weightFile of weightFiles) {
    const file = await open(hubUrl(repository, weightFile), {}, name, options);
    if (!file) continue;
    const configurations = configurationFiles.map((each) => configurationOf(hubUrl(repository, each), name, options));
    return { file, configurations: await Promise.all(configurations) };
  }
  return refuseMissing(name, options, `the repository has none of the files ${weightFiles.join(", ")}`);
}

async function configurationOf(url: string, name: string, options: WebOptions): Promise<Configuration | undefined> {
  const bytes = await fetchBytes(url, {}, name, { ...options, maxBytes: longestConfiguration });
  if (bytes) return { file: url, text: new TextDecoder().decode(bytes) };
  // cached, so that missing files of a repository are not requested again
  if (!options.offline) await (await openCache())?.put(url, new Response(null, { status: 404 })).catch(() => {});
  return undefined;
}

function refuseMissing(name: string, { offline }: WebOptions, problem: string): never {
  return refuse(name, offline ? "it is not downloaded, and `offline` is set" : problem);
}

/** Returns undefined if the server does not have the file, or if `offline` is set and the file is not cached. */
async function open(url: string, expected: Expected, name: string, options: WebOptions): Promise<OpenFile | undefined> {
  const bytes = await fetchBytes(url, expected, name, options);
  if (!bytes) return undefined;
  return memoryFile(bytes, name, new URL(url).pathname, async (path) => {
    const beside = new URL(path.split("/").map(encodeURIComponent).join("/"), url).href;
    return (
      (await open(beside, {}, name, options)) ?? refuseMissing(name, options, `the server does not have ${beside}`)
    );
  });
}

async function fetchBytes(
  url: string,
  expected: Expected,
  name: string,
  options: WebOptions,
): Promise<Uint8Array | undefined> {
  const cache = await openCache();
  const kept = await cache?.match(url);
  if (kept) return kept.ok ? new Uint8Array(await kept.arrayBuffer()) : undefined;
  if (options.offline) return undefined;
  const known = expected.sha256 === undefined ? { ...expected, ...(await digestFromHub(url)) } : expected;
  const bytes = await fetched(url, known, name, options);
  if (!bytes) return undefined;
  await check(bytes, known, name);
  const headers = { "content-length": String(bytes.length) };
  // if storage is full, the next call downloads the file again
  await cache?.put(url, new Response(bytes as Uint8Array<ArrayBuffer>, { headers })).catch(() => {});
  return bytes;
}

/** Fetches a file, with retries. Returns undefined if the server does not have the file. */
async function fetched(
  url: string,
  expected: Expected,
  name: string,
  options: WebOptions,
): Promise<Uint8Array | undefined> {
  for (let failures = 1; ; failures++) {
    try {
      const found = await attempt(url, expected, name, options);
      if (!(found instanceof TransientFailure)) return found;
      await pause(waitAfter(found, failures, retryDefaults), options.signal);
    } catch (cause) {
      if (cause instanceof NotThere) return undefined;
      if (!(cause instanceof WeightsError)) throw cause;
      throw new WeightsError(`${name}: ${cause.message}, from ${url}; check the network`, { cause });
    }
  }
}

/** Sends one request. Returns a failure that a retry may fix: a failed connection, or a temporary status. */
async function attempt(
  url: string,
  { bytes }: Expected,
  name: string,
  { signal, onProgress, maxBytes = MOST_BYTES }: WebOptions,
): Promise<Uint8Array | TransientFailure> {
  let isUnreached = true;
  try {
    throwIfAborted(signal);
    return await withResponse(url, signal, (response) => {
      isUnreached = false;
      if (response.status !== 200)
        throw refusal(response, "download it yourself where it is private or asks for consent");
      return readBytes(response, { signal, onProgress, stage: "download", name, maxBytes: bytes ?? maxBytes });
    });
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof TransientFailure) return cause;
    if (cause instanceof OutOfMemoryError || cause instanceof WeightsError) throw cause;
    return new TransientFailure(cause instanceof Error ? cause.message : String(cause), { cause, isUnreached });
  }
}

/** The part of SubtleCrypto that Residual uses; the package is checked with and without the DOM's types. */
interface Digests {
  digest(algorithm: "SHA-256", bytes: Uint8Array): Promise<ArrayBuffer>;
}

/** Checks the size and the hash. Pages that are not served over TLS have neither crypto.subtle nor a cache. */
async function check(bytes: Uint8Array, { bytes: size = bytes.length, sha256 }: Expected, name: string): Promise<void> {
  if (bytes.length !== size) refuse(name, `found ${bytes.length} bytes, expected ${size}`);
  const { crypto } = globalThis as { readonly crypto?: { readonly subtle?: Digests } };
  if (sha256 === undefined || !crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!found.startsWith(sha256)) refuse(name, `found SHA-256 ${found.slice(0, sha256.length)}, expected ${sha256}`);
}

/**
 * The SHA-256 and the size of a file, from the hub's list of the repository's files: a page cannot read the headers of
 * redirections. Empty if the list is unavailable or does not have them.
 */
async function digestFromHub(url: string): Promise<Expected> {
  const [, repository, revision, path] = new RegExp(`^${HUB}/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$`).exec(url) ?? [];
  if (repository === undefined || path!.endsWith(".json")) return {}; // the list has hashes of large files only
  try {
    const response = await fetch(`${HUB}/api/models/${repository}/tree/${revision}?recursive=true`);
    const files: unknown = await response.json();
    const entry = isList(files) ? files.map(recordOf).find((file) => file.path === path) : undefined;
    const { oid, size } = recordOf(entry?.lfs);
    const isWord =
      typeof oid === "string" && /^[0-9a-f]{64}$/.test(oid) && isNumber(size) && Number.isSafeInteger(size);
    return isWord ? { sha256: oid, bytes: size } : {};
  } catch {
    return {};
  }
}

/** The part of the Cache API that Residual uses; pages and workers have it in secure contexts. */
interface CacheStorage {
  open(name: string): Promise<{
    match(url: string): Promise<Response | undefined>;
    put(url: string, response: Response): Promise<void>;
  }>;
}

async function openCache(): Promise<Awaited<ReturnType<CacheStorage["open"]>> | undefined> {
  const { caches } = globalThis as { readonly caches?: CacheStorage };
  return caches?.open("residual-weights").catch(() => undefined); // refused in private windows
}

function refuse(name: string, problem: string): never {
  throw new WeightsError(`${name}: ${problem}; give the file itself, as a File, a Blob or bytes`);
}
