import { type RetrySettings, retryDefaults } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** How downloads go about it. Tests shorten the times. */
export interface Settings extends RetrySettings {
  readonly transport: Transport;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stall: number;
  /** How often what came is thrown away to begin anew, as where the file changes on the server. */
  readonly restarts: number;
  /** The most connections for one file, however many bytes each brings. */
  readonly connections: number;
  /** Milliseconds between two looks at another process that downloads the same file. */
  readonly poll: number;
}

export const defaults: Omit<Settings, "transport"> = {
  ...retryDefaults,
  stall: 30_000,
  restarts: 3,
  connections: 500,
  poll: 200,
};
