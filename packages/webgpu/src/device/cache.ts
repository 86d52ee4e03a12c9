import { fnv1a32, version } from "@residual/core";

/**
 * A store of texts that outlives the process, such as files or `localStorage`. Keys are short and consist of letters,
 * digits and `-`. The backend checks what it reads, and ignores invalid texts and texts of other versions.
 */
export interface WebgpuCache {
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string): Promise<void>;
}

/**
 * The properties that findings about a device depend on: the adapter, its driver if known, the library, and the texts
 * of our kernels.
 */
export interface Identity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** On Vulkan the description contains the driver's version. */
  readonly description: string;
  readonly library: string;
  readonly libraryVersion: string;
  /** Whether the device has subgroups. */
  readonly subgroups: boolean;
  /** A hash of the kernels' texts. */
  readonly kernels: string;
}

/** The findings about a device. */
export interface Findings {
  /** Whether a kernel passed its test, by the kernel's name. */
  readonly checked: ReadonlyMap<string, boolean>;
  /** The name of the fastest strategy for a layer, by the layer's key. */
  readonly tuned: ReadonlyMap<string, string>;
}

/** The maximum length of a record in characters: far more than a thousand layers take. */
const LONGEST = 4e6;

const none: Findings = { checked: new Map(), tuned: new Map() };

/** Milliseconds until a read counts as failed: about as long as the tests of the kernels take, which it saves. */
const SLOWEST = 2000;

/**
 * Reads the findings about a device. Empty if the cache fails or takes more than 2 seconds, or if its record is of
 * another device or version.
 */
export async function readFindings(cache: WebgpuCache, identity: Identity): Promise<Findings> {
  try {
    const text = await within(SLOWEST, cache.read(identityKey(identity)));
    return text === undefined || text.length > LONGEST ? none : parsed(JSON.parse(text), identity);
  } catch {
    return none; // the cache only saves time, so its failure is no error
  }
}

/**
 * Adds findings to a device's record. Findings that other processes wrote in the meantime stay, unless the new ones
 * contradict them. Throws the cache's error.
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

/** The result of work; undefined if the work takes longer. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, milliseconds, undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The key of a device's record in a cache. */
export function identityKey(identity: Identity): string {
  const text = textOf(identity);
  return `webgpu-${[text, `${text}.`].map((each) => fnv1a32(each).toString(16).padStart(8, "0")).join("")}`;
}

const textOf = (identity: Identity): string => JSON.stringify({ ...identity, residual: version });

function parsed(record: unknown, identity: Identity): Findings {
  if (!isObject(record) || !isObject(record.identity)) return none;
  if (JSON.stringify(record.identity) !== textOf(identity)) return none; // keys are hashes, and may collide
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
