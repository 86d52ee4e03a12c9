export { type Item, inputsPath, type Job, type ShardResult, shardPath } from "./job.ts";
export type { Digests, Manifest } from "./manifest.ts";
export { type Format, formats, type Output, outputs, type Row } from "./row.ts";
