import { fnv1a32, version } from "@residual/core";

/**
 * Text that outlives the process, by key: files, `localStorage`, or what there is. Keys are short, of letters, digits
 * and `-`. What is read is checked here, and may be rubbish, or what another version wrote.
 */
export interface WebgpuCache {
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string): Promise<void>;
}

/**
 * What makes a device's figures its own: the adapter, its driver as far as it is told, the library, and our kernels'
 * texts.
 */
export interface Identity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** On Vulkan it holds the driver's version. */
  readonly description: string;
  readonly library: string;
  readonly libraryVersion: string;
  /** Whether there are subgroups. */
  readonly subgroups: boolean;
  readonly kernels: string;
}

/** What was found out about a device. */
export interface Findings {
  /** Whether kernels answered right, by their names. */
  readonly checked: ReadonlyMap<string, boolean>;
  /** The name of the quickest strategy for each layer, by the layer's key. */
  readonly tuned: ReadonlyMap<string, string>;
}

/** Of a record's text, in characters: far more than a thousand layers take. */
const LONGEST = 4e6;

const none: Findings = { checked: new Map(), tuned: new Map() };

/**
 * What is known of a device; nothing where the cache fails, or holds what this version did not write for this device.
 */
export async function readFindings(cache: WebgpuCache, identity: Identity): Promise<Findings> {
  try {
    const text = await cache.read(identityKey(identity));
    return text === undefined || text.length > LONGEST ? none : parsed(JSON.parse(text), identity);
  } catch {
    return none; // a help, and no more
  }
}

/**
 * Adds to what is known; of other processes' findings since, those that are not contradicted stay. Throws what the
 * cache throws.
 */
export async function writeFindings(cache: WebgpuCache, identity: Identity, findings: Findings): Promise<void> {
  const before = await readFindings(cache, identity);
  const record = {
    identity: { ...identity, residual: version },
    checked: Object.fromEntries([...before.checked, ...findings.checked]),
    tuned: Object.fromEntries([...before.tuned, ...findings.tuned]),
  };
  await cache.write(identityKey(identity), JSON.stringify(record, undefined, 1));
}

/** The key that a device's record has in a cache. */
export function identityKey(identity: Identity): string {
  const text = textOf(identity);
  return `webgpu-${[text, `${text}.`].map((each) => fnv1a32(each).toString(16).padStart(8, "0")).join("")}`;
}

const textOf = (identity: Identity): string => JSON.stringify({ ...identity, residual: version });

function parsed(record: unknown, identity: Identity): Findings {
  if (!isObject(record) || !isObject(record.identity)) return none;
  if (JSON.stringify(record.identity) !== textOf(identity)) return none; // two keys may fall together
  const entries = <T>(of: unknown, is: (value: unknown) => value is T) =>
    new Map(Object.entries(isObject(of) ? of : {}).filter((entry): entry is [string, T] => is(entry[1])));
  return {
    checked: entries(record.checked, (value) => typeof value === "boolean"),
    tuned: entries(record.tuned, (value) => typeof value === "string"),
  };
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
