import type { Transport } from "./transport.ts";

/** How downloads go about it. Tests shorten the times. */
export interface Settings {
  readonly transport: Transport;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stall: number;
  /** How often it is tried again without one byte more. */
  readonly retries: number;
  /** How often what came is thrown away to begin anew, as where the file changes on the server. */
  readonly restarts: number;
  /** The most connections for one file, however many bytes each brings. */
  readonly connections: number;
  /** Milliseconds before the first retry, twice as long before each further one, up to `longestWait`. */
  readonly backoff: number;
  /** Milliseconds: a server that asks for a longer wait is not waited for. */
  readonly longestWait: number;
  /** Milliseconds between two looks at another process that downloads the same file. */
  readonly poll: number;
}

export const defaults: Omit<Settings, "transport"> = {
  stall: 30_000,
  retries: 4,
  restarts: 3,
  connections: 500,
  backoff: 500,
  longestWait: 60_000,
  poll: 200,
};
