import { type RetrySettings, retryDefaults } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** Limits and times of downloads. Tests shorten the times. */
export interface Settings extends RetrySettings {
  readonly transport: Transport;
  /** Milliseconds without data after which a connection is closed. */
  readonly stall: number;
  /** The most times that received data are discarded to begin again, such as after the file changes on the server. */
  readonly restarts: number;
  /** The most connections for one file, whether or not they bring bytes. */
  readonly connections: number;
  /** Milliseconds between checks of another process that downloads the same file. */
  readonly poll: number;
}

export const defaults: Omit<Settings, "transport"> = {
  ...retryDefaults,
  stall: 30_000,
  restarts: 3,
  connections: 500,
  poll: 200,
};
