import { AbortError, type Graph, type Tensor, throwIfAborted, WeightsError, type WorkOptions } from "@residual/core";
import { type ByteSource, nameOf, pathOf, readBytes } from "@residual/kit/bytes";
import { EXPECTED } from "./format.ts";
import type { KnownWeights } from "./known/known-weights.ts";
import type { Named } from "./known/names.ts";
import { shippedWeights } from "./known.ts";
import { memoryFile, type OpenFile } from "./open-file.ts";
import { readOpen } from "./readers.ts";
import { toTorchvision } from "./schemes.ts";
import type { Weights } from "./weights.ts";

export interface ReadWeightsOptions extends WorkOptions {
  /** The graph whose names the tensors get, as with `toTorchvision`. Default: the file's names. */
  readonly graph?: Graph | undefined;
  /**
   * Reads only the tensors with this prefix, and removes it: `"ema."` for a file that also holds a moving average. For
   * a PyTorch checkpoint of nested dictionaries, it may be a dictionary's key: `"model_ema."`.
   */
  readonly prefix?: string | undefined;
  /** The most bytes that are downloaded, or read from a stream, a Blob or memory. Default: 4 GiB. */
  readonly maxBytes?: number | undefined;
  /** Does not download known weights. RESIDUAL_OFFLINE=1 and HF_HUB_OFFLINE=1 have the same effect. Default: false. */
  readonly offline?: boolean | undefined;
}

/** A source of weights: a path or URL, a Blob, File or Response, memory of any realm, a stream. */
export type WeightsSource = ByteSource;

/** Reads weights: see `readWeights`. */
export interface ReadWeights {
  (
    source: Exclude<WeightsSource, string | { readonly href: string }>,
    options?: ReadWeightsOptions,
  ): Promise<Weights<Tensor>>;
  (source: WeightsSource, options?: ReadWeightsOptions): Promise<Weights>;
}

const MOST_BYTES = 2 ** 32;

/** The functions that differ between Node and browsers. */
export interface WeightsPlatform {
  /** Reads the weights at a path. Undefined on platforms without files. */
  readonly readFile?: (path: string, options: ReadWeightsOptions) => Promise<Weights>;
  /** Whether text is a path or an address, and not a name of weights. */
  readonly isPlace: (text: string) => Promise<boolean>;
  /** Reads the weights of a name. Missing weights are downloaded. */
  readonly readNamed: (name: string, named: Named, options: ReadWeightsOptions) => Promise<Weights>;
}

/** Makes `readWeights` for a platform. */
export function weightsReader(platform: WeightsPlatform): ReadWeights {
  return (async (source: WeightsSource, options: ReadWeightsOptions = {}): Promise<Weights> => {
    throwIfAborted(options.signal);
    const weights = (await byName(source, platform, options)) ?? (await read(source, platform, options));
    const chosen = options.prefix === undefined ? weights : weights.under(options.prefix);
    return options.graph ? toTorchvision(chosen, options.graph) : chosen;
  }) as ReadWeights;
}

async function read(
  source: WeightsSource,
  { readFile }: WeightsPlatform,
  options: ReadWeightsOptions,
): Promise<Weights> {
  const path = await pathOf(source);
  return path !== undefined && readFile ? readFile(path, options) : readHeld(source, options);
}

/** Reads the weights of a name. Undefined for text that is not a name of weights. */
async function byName(
  source: WeightsSource,
  platform: WeightsPlatform,
  options: ReadWeightsOptions,
): Promise<Weights | undefined> {
  if (typeof source !== "string" || (await platform.isPlace(source))) return undefined;
  if (source === shippedWeights.name) return shipped(shippedWeights, (file) => read(file, platform, options));
  const { namedAs } = await import("./known/names.ts");
  const named = await namedAs(source);
  if (!named) return undefined;
  const weights = await platform.readNamed(source, named, options);
  return "known" in named ? weights.knownAs(named.known) : weights;
}

/**
 * Reads the weights that the package ships. They may be missing in bundles: a bundle for Node does not include their
 * file, and a CommonJS bundle does not know its own location.
 */
async function shipped(known: KnownWeights, read: (file: string) => Promise<Weights>): Promise<Weights> {
  try {
    return await read(known.url);
  } catch (cause) {
    if (cause instanceof AbortError) throw cause;
    throw new WeightsError(
      `${known.name}: the file that ships with @residual/weights could not be read (${(cause as Error).message}); ` +
        "where the program is bundled, mark @residual/weights as external, or give the weights as a path, URL or bytes",
      { cause },
    );
  }
}

async function readHeld(source: WeightsSource, options: ReadWeightsOptions): Promise<Weights> {
  return readOpen(await fetched(source, options), options);
}

/**
 * Reads a source without a path, as an open file. If the source has an address, files in the same folder can be opened.
 */
async function fetched(source: WeightsSource, options: ReadWeightsOptions): Promise<OpenFile> {
  const file = nameOf(source, "the given weights");
  const { signal, onProgress, maxBytes = MOST_BYTES } = options;
  const reading = { signal, onProgress, expected: EXPECTED, name: file, stage: "read weights" };
  const bytes = await readBytes(source, { ...reading, maxBytes });
  const address = addressOf(source);
  if (!address) return memoryFile(bytes, file, file);
  const beside = (path: string) =>
    fetched(new URL(path.split("/").map(encodeURIComponent).join("/"), address), options);
  return memoryFile(bytes, file, address.pathname, beside);
}

/** The web address of a URL, of text or of a Response. Relative addresses are resolved against the browser's page. */
function addressOf(source: WeightsSource): URL | undefined {
  const held = typeof source === "string" ? { href: source } : (source as { href?: unknown; url?: unknown });
  const text = held.href ?? held.url;
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  if (typeof text !== "string" || text === "" || !URL.canParse(text, location?.href)) return undefined;
  const url = new URL(text, location?.href);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}
