import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { AbortError, WeightsError, type WorkOptions } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { cacheFolder, exclusively, refusedAs } from "@residual/kit/files";
import type { KnownWeights } from "../known/known-weights.ts";
import { type Named, namedAs, nearestName } from "../known/names.ts";
import { knownWeights } from "../known.ts";
import { placeOf, weightsFolder } from "./cache.ts";
import { differenceOf, digestOf } from "./digest.ts";
import { partOf } from "./fetch-file.ts";
import { PINS, pinOf, pinsFile } from "./pins.ts";
import { checkedNote, filesOf, type PulledFile, type PullOptions, pull } from "./pull.ts";

/** Weights that have a name, and whether they are available locally. */
export interface ListedWeights {
  readonly name: string;
  /** Undefined for a repository on the hub. */
  readonly known: KnownWeights | undefined;
  /** Whether the weights are downloaded, or ship with the package. */
  readonly cached: boolean;
  /** The size in bytes of the downloaded file. */
  readonly bytes: number | undefined;
}

/** All known weights, followed by the downloaded repositories of the hub. */
export async function listWeights(): Promise<readonly ListedWeights[]> {
  const folder = cacheFolder();
  const known = (await knownWeights()).map(async (each): Promise<ListedWeights> => {
    const hasPlace = folder !== undefined || each.url.startsWith("file:");
    const [file] = !hasPlace ? [] : await filesOf({ known: each }, placeOf({ known: each }));
    return { name: each.name, known: each, cached: file !== undefined, bytes: file && (await sizeOf(file)) };
  });
  const downloaded = (await repositories()).map(async (named): Promise<ListedWeights> => {
    const sizes = await Promise.all((await filesOf(named, placeOf(named))).map(sizeOf));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    return { name: nameOf(named), known: undefined, cached: true, bytes };
  });
  return Promise.all([...known, ...downloaded]);
}

/** Downloads the weights of a name if they are missing, and returns their path. Throws as `readWeights` does. */
export async function pullWeights(name: string, options: PullOptions = {}): Promise<string> {
  return pull(name, await resolved(name), options);
}

/** The path of a name's weights, downloaded or not: a file, or a folder. Throws WeightsError for an unknown name. */
export async function weightsPath(name: string): Promise<{ readonly path: string; readonly cached: boolean }> {
  const named = await resolved(name);
  const path = placeOf(named);
  return { path, cached: (await filesOf(named, path)).length > 0 };
}

/** A downloaded file, and the result of its check. */
export interface VerifiedFile {
  readonly name: string;
  readonly path: string;
  /** The difference from the expected size and hash; undefined if there is none. */
  readonly problem: string | undefined;
  /** Whether a hash of the file is known. */
  readonly pinned: boolean;
}

/**
 * Compares downloaded files with the hashes of the table and of the lock file: the files of one name, or all.
 * `onProgress` counts bytes. Throws WeightsError if the name is unknown or not downloaded; AbortError.
 */
export async function verifyWeights(name?: string, options: WorkOptions = {}): Promise<readonly VerifiedFile[]> {
  const verified: VerifiedFile[] = [];
  const pins = await pinsFile(weightsFolder());
  for (const named of name === undefined ? await all() : [await resolved(name)]) {
    const files = await filesOf(named, placeOf(named));
    if (name !== undefined && files.length === 0)
      throw new WeightsError(`${name} is not downloaded; run residual weights pull ${name}`);
    for (const file of files) verified.push(await verify(file, nameOf(named), pins, options));
  }
  return verified;
}

async function verify(file: PulledFile, name: string, pins: string, options: WorkOptions): Promise<VerifiedFile> {
  const pin = await pinOf(pins, file.url);
  const found = await digestOf(file.path, file, options);
  const problem = differenceOf(found, file) ?? (pin && differenceOf(found, pin));
  return { name, path: file.path, problem, pinned: (file.sha256 ?? file.md5 ?? pin) !== undefined };
}

/** A removed file. */
export interface PrunedWeights {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Removes downloaded weights: those of the given names, or "all". An empty list removes the leftovers of abandoned
 * downloads. Files that a process is downloading and the lock file stay. Throws WeightsError for an unknown name,
 * FormatError if the disk refuses.
 */
export async function pruneWeights(names: readonly string[] | "all"): Promise<PrunedWeights> {
  const folder = weightsFolder();
  const places = names === "all" ? [folder] : (await Promise.all(names.map(resolved))).map((named) => placeOf(named));
  const isIn = (path: string) => places.some((place) => path === place || path.startsWith(place + sep));
  const leftOrIn = (path: string) => (places.length === 0 ? LEFTOVER.test(path) : isIn(path.replace(LEFTOVER, "")));
  const files = new Set((await filesIn(folder)).filter(leftOrIn).map((path) => path.replace(LEFTOVER, "")));
  files.delete(join(folder, PINS));
  const sizes: number[] = [];
  for (const file of files) {
    const { data, note } = partOf(file);
    const paths = places.length === 0 ? [data, note] : [data, note, checkedNote(file), file];
    sizes.push(
      ...(await refusedAs(
        file,
        unlessBusy(file, () => remove(paths)),
      )),
    );
  }
  await removeEmptyFolders(folder);
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Leftovers of abandoned downloads: a partial file, its note, and the lock file of a killed process. */
const LEFTOVER = /\.(part|part\.json|residual-lock-[\w.-]+)$/;

/** Runs `work` with the file locked. Returns an empty list if another process holds the lock. */
async function unlessBusy(file: string, work: () => Promise<readonly number[]>): Promise<readonly number[]> {
  const controller = new AbortController();
  const { signal } = controller;
  try {
    return await exclusively(file, work, { signal, onWait: () => controller.abort() });
  } catch (error) {
    if (error instanceof AbortError) return [];
    throw error;
  }
}

/** Removes files, and returns the sizes of the ones that existed. */
async function remove(paths: readonly string[]): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) continue;
    await rm(path);
    sizes.push(found.size);
  }
  return sizes;
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function removeEmptyFolders(folder: string): Promise<void> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const folders = found.filter((entry) => entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
  for (const each of folders.toSorted((a, b) => b.length - a.length)) await rmdir(each).catch(() => {}); // if not empty
}

/** All weights of the table, and the downloaded repositories. */
async function all(): Promise<readonly Named[]> {
  const known = await knownWeights();
  return [...known.map((each): Named => ({ known: each })), ...(await repositories())];
}

/** The downloaded repositories of the hub: `hf/owner/name/revision` in the cache folder. */
async function repositories(): Promise<readonly RepositoryNamed[]> {
  const folder = cacheFolder();
  if (folder === undefined) return [];
  const hub = join(folder, "weights", "hf");
  const folders = new Set((await filesIn(hub)).map((path) => relative(hub, path).split(sep).slice(0, 3).join(sep)));
  const found: RepositoryNamed[] = [];
  for (const each of folders) {
    const [owner, name, revision = ""] = each.split(sep);
    const named = { repository: { owner: owner!, name: name!, revision: decodeURIComponent(revision) } };
    if ((await filesOf(named, join(hub, each))).length > 0) found.push(named);
  }
  return found;
}

type RepositoryNamed = Extract<Named, { readonly repository: unknown }>;

function nameOf(named: Named): string {
  if ("known" in named) return named.known.name;
  const { owner, name, revision } = named.repository;
  return `hf:${owner}/${name}${revision === "main" ? "" : `@${revision}`}`;
}

async function resolved(name: string): Promise<Named> {
  const named = await namedAs(name);
  if (named) return named;
  const nearest = await nearestName(name);
  const hint = nearest === undefined ? "residual weights list shows them" : `did you mean ${nearest}?`;
  throw new WeightsError(`there are no known weights ${shown(name, 60)}; ${hint}`);
}

async function sizeOf({ path }: PulledFile): Promise<number> {
  return (await stat(path)).size;
}
