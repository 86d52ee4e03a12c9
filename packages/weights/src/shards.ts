import { FormatError, WeightsError } from "@residual/core";
import { quote } from "./json-reader.ts";
import { Weights } from "./weights.ts";

/** Tensors by the file that holds each, as `model.safetensors.index.json` says. */
export interface ShardIndex {
  readonly fileOf: ReadonlyMap<string, string>;
  readonly files: readonly string[];
}

/** The longest index that is read, in bytes: it names each tensor once. */
export const longestIndex = 32 << 20;

/**
 * Reads an index of shards, which lie beside it. Throws FormatError, which names `file`, where it is not one, and where
 * it names a shard in another folder.
 */
export function readIndex(bytes: Uint8Array, file: string): ShardIndex {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new FormatError(`${file}: ${problem}; it is damaged: download it again`, { cause });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    return refuse("found an index of shards that is not JSON", cause);
  }
  const map = isRecord(parsed) ? parsed.weight_map : undefined;
  if (!isRecord(map) || Object.keys(map).length === 0)
    return refuse("found no weight_map, expected each tensor's file");
  const fileOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !/^[^/\\:\0]+$/.test(shard) || /^\.+$/.test(shard))
      return refuse(
        `tensor ${quote(name)}: found ${quote(String(shard))}, expected the name of a file beside the index`,
      );
    fileOf.set(name, shard);
  }
  return { fileOf, files: [...new Set(fileOf.values())] };
}

/**
 * The tensors of all shards, in the index's order. Throws WeightsError where a shard lacks a tensor that the index says
 * it has.
 */
export function joinShards({ fileOf }: ShardIndex, shards: ReadonlyMap<string, Weights>, file: string): Weights {
  const missing = [...fileOf].filter(([name, shard]) => !shards.get(shard)!.tensors.has(name));
  const [first] = missing;
  if (first) {
    const more = missing.length > 1 ? `, and ${missing.length - 1} tensors more are missing` : "";
    throw new WeightsError(
      `${file}: ${quote(first[1])} lacks the tensor ${quote(first[0])}${more}; download the shards again`,
    );
  }
  const tensors = [...fileOf].map(([name, shard]) => [name, shards.get(shard)!.tensors.get(name)!] as const);
  const metadata = Object.assign({}, ...[...shards.values()].map((shard) => shard.metadata)) as Record<string, string>;
  return new Weights(new Map(tensors), metadata);
}

/** An index in the place of a shard: it may name itself, without end. */
export function refuseNested(file: string): never {
  throw new FormatError(`${file}: found an index of shards within another; name the files of weights in the outer one`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
