import type { Progress } from "@residual/core";
import type { ShardResult } from "../job.ts";

export interface ToWorker {
  readonly shard: number;
}

export type FromWorker =
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "done"; readonly result: ShardResult }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };
