// Types that users see. Nothing here names BullMQ, which is optional: its absence must not break their compile.

export interface QueueOptions {
  /** `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS. */
  readonly redis: string;
  /** Name of the queue in Redis: "residual-bulk" where not given. Any number of bulk jobs share a queue. */
  readonly queue?: string | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What Redis holds of a shard. The frozen list of its pictures, and its result, lie in the output folder. */
export interface ShardTask {
  /** The output folder's path on the machine that enqueued the shard. */
  readonly out: string;
  /** Digest of the bulk job's manifest. */
  readonly job: string;
  readonly shard: number;
}

/** A bulk job as the queue sees it. */
export interface QueuedJob {
  readonly out: string;
  readonly digest: string;
  /** Number of shards. */
  readonly shards: number;
}

/** How often a shard is tried. */
export interface AttemptOptions {
  /** Attempts of a shard: 4. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second attempt, give or take half; they double with each attempt. 2,000. */
  readonly backoff?: number | undefined;
}

/** Shards of all bulk jobs in the queue. */
export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their next attempt. */
  readonly delayed: number;
  /** Set aside after their last attempt. */
  readonly failed: number;
}

export interface FailedTask {
  readonly out: string;
  readonly shard: number;
  /** `code: message` of the last attempt. */
  readonly reason: string;
  readonly attempts: number;
}

export interface QueueStatus {
  readonly counts: QueueCounts;
  /** The shards set aside: of the bulk job with `digest`, or of all where it is not given. */
  readonly failed: readonly FailedTask[];
}
