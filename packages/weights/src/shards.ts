import { FormatError, WeightsError } from "@residual/core";
import { parseJson, quote } from "./json-reader.ts";
import { isRecord } from "./json-values.ts";
import type { WeightsLayout } from "./layout.ts";
import type { OpenFile } from "./open-file.ts";

/** The file of each tensor, as `model.safetensors.index.json` lists them. */
interface ShardIndex {
  readonly fileOf: ReadonlyMap<string, string>;
  readonly files: readonly string[];
}

/** The longest index that is read, in bytes. An index names each tensor once. */
export const longestIndex: number = 32 << 20;

/**
 * The most tensors in an index, as in a safetensors header; the most shards; the longest name of a shard in bytes, as
 * in file systems.
 */
const most = { tensors: 100_000, shards: 1000, name: 255 } as const;

/**
 * Reads an index of shards. Throws FormatError for a malformed index, and for a shard in another folder; the message
 * names `file`.
 */
function readIndex(bytes: Uint8Array, file: string): ShardIndex {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new FormatError(`${file}: ${problem}; it is damaged: download it again`, { cause });
  };
  const refuseJson = (found: string, cause?: unknown) => refuse(`found ${found}, expected an index of shards`, cause);
  const parsed = parseJson(textOf(bytes, refuseJson), refuseJson);
  const map = isRecord(parsed) ? parsed.weight_map : undefined;
  const entries = isRecord(map) ? Object.entries(map) : [];
  if (entries.length === 0) return refuse("found no weight_map, expected each tensor's file");
  if (entries.length > most.tensors) return refuse(`found ${entries.length} tensors, expected at most ${most.tensors}`);
  const fileOf = new Map<string, string>();
  for (const [name, shard] of entries) {
    if (typeof shard !== "string" || !/^[^/\\:\0]+$/.test(shard) || /^\.+$/.test(shard))
      return refuse(
        `tensor ${quote(name)}: found ${quote(String(shard))}, expected the name of a file beside the index`,
      );
    fileOf.set(name, shard);
  }
  const files = [...new Set(fileOf.values())];
  if (files.length > most.shards) return refuse(`found ${files.length} shards, expected at most ${most.shards}`);
  const long = files.find((shard) => new TextEncoder().encode(shard).length > most.name);
  if (long !== undefined)
    return refuse(`found a shard named ${quote(long)}, expected a name of at most ${most.name} bytes`);
  return { fileOf, files };
}

function textOf(bytes: Uint8Array, refuse: (found: string, cause: unknown) => never): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    return refuse("bytes that are not UTF-8", cause);
  }
}

/** The file names of an index's shards. Throws FormatError as `shardedLayout` does. */
export function filesOfIndex(bytes: Uint8Array, file: string): readonly string[] {
  return readIndex(bytes, file).files;
}

/**
 * The combined layout of all shards, in the index's order. `layoutOf` reads one shard. Throws FormatError as
 * `readIndex` does; WeightsError if a shard lacks a tensor that the index lists for it.
 */
export async function shardedLayout(
  file: OpenFile,
  layoutOf: (shard: OpenFile) => Promise<WeightsLayout>,
): Promise<WeightsLayout> {
  if (file.size > longestIndex)
    throw new FormatError(
      `${file.name}: found an index of ${file.size} bytes, expected at most ${longestIndex}; name the files of weights`,
    );
  const { fileOf, files } = readIndex(await file.read(0, file.size), file.name);
  const layouts: WeightsLayout[] = [];
  const found = new Map<string, ReadonlySet<string>>();
  for (const shard of files) {
    const layout = await layoutOf(await file.beside(shard));
    found.set(shard, new Set(namesIn(layout)));
    layouts.push(only((name) => fileOf.get(name) === shard, layout));
  }
  checkComplete(
    [...fileOf].filter(([name, shard]) => !found.get(shard)!.has(name)),
    file.name,
  );
  return {
    stretches: layouts.flatMap(({ stretches }) => stretches),
    made: new Map(layouts.flatMap(({ made = [] }) => [...made])),
    views: new Map(layouts.flatMap(({ views = [] }) => [...views])),
    order: [...fileOf.keys()],
    metadata: Object.assign({}, ...layouts.map(({ metadata }) => metadata)) as Record<string, string>,
  };
}

function namesIn({ stretches, made }: WeightsLayout): readonly string[] {
  return [...stretches.flatMap(({ entries }) => entries.map(({ name }) => name)), ...(made?.keys() ?? [])];
}

/** A layout without the tensors that the index lists for other files. */
function only(
  isOwn: (name: string) => boolean,
  { stretches, made = new Map(), views = new Map(), ...rest }: WeightsLayout,
): WeightsLayout {
  return {
    ...rest,
    stretches: stretches.map((each) => ({ ...each, entries: each.entries.filter(({ name }) => isOwn(name)) })),
    made: new Map([...made].filter(([name]) => isOwn(name))),
    views: new Map([...views].filter(([name]) => isOwn(name))),
  };
}

function checkComplete(missing: readonly (readonly [name: string, shard: string])[], file: string): void {
  const [first] = missing;
  if (!first) return;
  const more = missing.length > 1 ? `, and ${missing.length - 1} tensors more are missing` : "";
  throw new WeightsError(
    `${file}: ${quote(first[1])} lacks the tensor ${quote(first[0])}${more}; download the shards again`,
  );
}

/** Refuses an index in place of a shard: indexes could refer to one another endlessly. */
export function refuseNested(file: string): never {
  throw new FormatError(`${file}: found an index of shards within another; name the files of weights in the outer one`);
}
