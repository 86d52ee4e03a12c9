import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WeightsError, type WorkOptions } from "@residual/core";
import { exclusively, makeFolder, refusedAs } from "@residual/kit/files";
import { configurationFiles, longestConfiguration } from "../configuration.ts";
import type { KnownWeights } from "../known/known-weights.ts";
import type { HubRepository, Named } from "../known/names.ts";
import { filesOfIndex, longestIndex } from "../shards.ts";
import { placeOf, weightsFolder } from "./cache.ts";
import { differenceOf, digestOf, type Expected } from "./digest.ts";
import { fetchFile, partOf } from "./fetch-file.ts";
import { mirrored, offlineVariable } from "./hub.ts";
import { addPin, ChangedFile, checkPin, pinOf, pinsFile } from "./pins.ts";
import { hubUrl, weightFiles } from "./repository.ts";
import { NotThere } from "./retry.ts";
import { defaults, type Settings } from "./settings.ts";
import { openTransport } from "./transport.ts";

export interface PullOptions extends WorkOptions {
  /** Downloads nothing. RESIDUAL_OFFLINE=1 and HF_HUB_OFFLINE=1 have the same effect. Default: false. */
  readonly offline?: boolean | undefined;
  /** The most bytes that a file may have. Default: 4 GiB. */
  readonly maxBytes?: number | undefined;
  /** For tests. */
  readonly settings?: Partial<Settings> | undefined;
}

const MOST_BYTES = 2 ** 32;

/**
 * Returns the path of a name's weights. Missing weights are downloaded. `name` is the name that the caller used.
 *
 * Throws WeightsError if the weights are missing and cannot be downloaded: the message has the address of the file, its
 * path and a command. Throws FormatError if the disk refuses; AbortError, after which a later call continues the
 * partial file.
 */
export async function pull(name: string, named: Named, options: PullOptions = {}): Promise<string> {
  const place = placeOf(named);
  if ((await filesOf(named, place)).length > 0) {
    if ("known" in named) await checkOnce(name, named.known, place, options);
    return place;
  }
  const offline = options.offline ? "`offline` is set" : offlineVariable()?.concat(" is set");
  const wayOut = `where there is a network run residual weights pull ${name}, or ${byHand(named, place)}`;
  if (offline !== undefined) throw new WeightsError(`${name}: it is not downloaded, and ${offline}; ${wayOut}`);
  try {
    await refusedAs(place, pullTo(place, named, options));
    return place;
  } catch (cause) {
    if (!(cause instanceof WeightsError)) throw cause;
    const way = cause instanceof ChangedFile ? "" : `; ${wayOut}`;
    throw new WeightsError(`${name}: ${cause.message}${way}`, { cause });
  }
}

/**
 * Verifies a file that was not downloaded by Residual, once. A note beside the file records its size and modification
 * time, so that later calls skip the check. Throws WeightsError if the file is not the expected one.
 */
async function checkOnce(name: string, known: KnownWeights, path: string, options: WorkOptions): Promise<void> {
  if (known.url.startsWith("file:") || (await isNoted(path))) return; // shipped, not downloaded
  const found = await digestOf(path, known, options);
  const pin = await pinOf(await pinsFile(weightsFolder()), known.url);
  const difference = differenceOf(found, known) ?? (pin && differenceOf(found, pin));
  if (difference === undefined) return noteChecked(path);
  throw new WeightsError(
    `${name}: ${path} is there, but it is not the published file: ${difference}; ` +
      `remove it with residual weights prune ${name}, or give its path in place of the name`,
  );
}

/** The facts that mark a file as verified. */
export function checkedNote(path: string): string {
  return `${path}.checked`;
}

async function isNoted(path: string): Promise<boolean> {
  const { size, mtimeMs } = await stat(path);
  return (await readFile(checkedNote(path), "utf8").catch(() => "")) === `${size} ${mtimeMs}`;
}

/** If the note cannot be written, the next call compares the file again. */
async function noteChecked(path: string): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  await writeFile(checkedNote(path), `${size} ${mtimeMs}`).catch(() => {});
}

/** The context that all files of a name share. */
interface Context {
  readonly settings: Settings;
  readonly pins: string;
  readonly options: PullOptions;
}

async function pullTo(place: string, named: Named, options: PullOptions): Promise<void> {
  const { transport = await openTransport(), ...times } = options.settings ?? {};
  const settings = { ...defaults, ...times, transport };
  const context = { settings, options, pins: await pinsFile(weightsFolder()) };
  if ("known" in named) {
    await pullFile({ ...named.known, path: place }, context);
    await noteChecked(place);
  } else await pullRepository(named.repository, place, context);
}

/** A file to download: its address, its path, and its expected size and hash. */
export interface PulledFile extends Expected {
  readonly url: string;
  readonly path: string;
  readonly maxBytes?: number;
}

/** Downloads a file. Waits for another process that downloads it, and then does nothing if the file is complete. */
async function pullFile({ url, path, maxBytes, ...expected }: PulledFile, context: Context): Promise<void> {
  const { settings, options, pins } = context;
  await makeFolder(dirname(path));
  const { signal, onProgress } = options;
  const onWait = () => void tellOther(path, onProgress);
  await exclusively(
    path,
    async () => {
      if (await isWhole(path, expected)) return;
      const isPinned = expected.sha256?.length === 64;
      const pin = isPinned ? undefined : await pinOf(pins, url);
      const wanted = {
        ...expected,
        url: mirrored(url),
        path,
        maxBytes: maxBytes ?? options.maxBytes ?? MOST_BYTES,
      };
      const check = (sha256: string) => checkPin(pins, pin, sha256);
      const found = await fetchFile({ ...wanted, check }, settings, { signal, onProgress });
      if (!isPinned && !pin) await addPin(pins, url, found);
    },
    { signal, onWait, poll: settings.poll },
  );
}

/** Reports the progress of another process that downloads the file. */
async function tellOther(path: string, onProgress: PullOptions["onProgress"]): Promise<void> {
  const found = await stat(partOf(path).data).catch(() => undefined);
  const note = await readFile(partOf(path).note, "utf8").catch(() => "{}");
  const total = /"total":(\d+)/.exec(note)?.[1];
  if (found) onProgress?.({ stage: "download", done: found.size, total: Number(total ?? Number.POSITIVE_INFINITY) });
}

async function pullRepository(repository: HubRepository, folder: string, context: Context): Promise<void> {
  const fileOf = (file: string) => ({ url: hubUrl(repository, file), path: join(folder, file) });
  // before the weights: if the weights exist, the download counts as complete
  for (const file of configurationFiles)
    await pullIfThere({ ...fileOf(file), maxBytes: longestConfiguration }, context);
  for (const file of weightFiles) {
    const isIndex = file.endsWith(".index.json");
    if (!(await pullIfThere({ ...fileOf(file), ...(isIndex && { maxBytes: longestIndex }) }, context))) continue;
    const shards = isIndex ? filesOfIndex(await readFile(join(folder, file)), file) : [];
    for (const shard of shards) await pullFile(fileOf(shard), context);
    return;
  }
  throw new WeightsError(`the repository has none of the files ${weightFiles.join(", ")}`);
}

async function pullIfThere(file: PulledFile, context: Context): Promise<boolean> {
  try {
    await pullFile(file, context);
    return true;
  } catch (error) {
    if (error instanceof NotThere) return false;
    throw error;
  }
}

/**
 * The existing files of a name with their addresses, whether downloaded or placed by hand. Empty if weights are
 * missing. For a damaged index, its shards are unknown: the index's reader reports the damage.
 */
export async function filesOf(named: Named, place: string): Promise<readonly PulledFile[]> {
  if ("known" in named) return (await isFile(place)) ? [{ ...named.known, path: place }] : [];
  const present = new Set(await readdir(place).catch(() => []));
  const weights = weightFiles.find((file) => present.has(file));
  if (weights === undefined) return [];
  const path = join(place, weights);
  const shards = weights.endsWith(".index.json") ? await shardsOf(path) : [];
  if (!shards.every((shard) => present.has(shard))) return [];
  const files = [...configurationFiles.filter((file) => present.has(file)), weights, ...shards];
  return files.map((file) => ({ url: hubUrl(named.repository, file), path: join(place, file) }));
}

async function shardsOf(index: string): Promise<readonly string[]> {
  const bytes = await readFile(index);
  try {
    return filesOfIndex(bytes, index);
  } catch {
    return [];
  }
}

/** Advice for users who must download the files by other means. */
function byHand(named: Named, place: string): string {
  if ("known" in named) return `${CURL} ${JSON.stringify(place)} ${named.known.url}`;
  const [weights, , others] = weightFiles;
  const url = mirrored(hubUrl(named.repository, `{${[...configurationFiles, weights].join(",")}}`));
  return (
    `${CURL} ${JSON.stringify(join(place, "#1"))} "${url}"; ` +
    `not every repository has a preprocessor_config.json, and some have ${others} in place of ${weights}`
  );
}

/** Without -f, curl would store a server's error page as the file. */
const CURL = "curl -fL --create-dirs -o";

/** Whether a file exists with the expected size. */
async function isWhole(path: string, { bytes }: Expected): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === (bytes ?? found.size);
}

async function isFile(path: string): Promise<boolean> {
  return isWhole(path, {});
}
