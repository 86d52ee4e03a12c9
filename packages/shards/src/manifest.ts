import type { Preprocessing } from "@residual/core";
import type { Format, Output } from "./row.ts";

/**
 * All that the bytes of the shards depend on, besides the pictures. It holds no times: two jobs with the same options
 * and pictures have the same manifest.
 */
export interface Manifest {
  readonly version: 1;
  readonly model: string;
  /** A path, URL or name that the workers can read. */
  readonly weights: string;
  /** Only tensors whose names begin with it are taken. */
  readonly prefix: string | null;
  /** A name, never `auto`: backends round differently. */
  readonly backend: string;
  /** Threads of each worker's runs. */
  readonly threads: number;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | null;
  readonly outputs: readonly Output[];
  /** Classes in `top` of a row. */
  readonly top: number;
  readonly format: Format;
  /** Images of each run; the last run of a shard is filled up with zeros. */
  readonly batch: number;
  /** Images of each shard but the last. */
  readonly shardSize: number;
  /** The most pixels, width × height, of a picture. Null: the decoder's own limit. */
  readonly maxPixels: number | null;
  /** Address of the S3-compatible service for `s3://` URLs. Null: AWS. */
  readonly endpoint: string | null;
  /** The inputs, as given. */
  readonly input: readonly string[];
  /** The folder that relative paths start from. */
  readonly folder: string;
  readonly images: number;
  readonly shards: number;
  readonly digests: Digests;
}

/** SHA-256, in hexadecimal. */
export interface Digests {
  /** Of the graph, without its numbers. */
  readonly model: string;
  /** Of the graph's numbers. */
  readonly weights: string;
  readonly preprocessing: string;
  /** Of outputs, top, format, shard size, labels, the most pixels and the endpoint. */
  readonly options: string;
  /** Of the frozen lists of pictures. */
  readonly inputs: string;
}
