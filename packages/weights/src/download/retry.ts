import { abortError, throwIfAborted, WeightsError, type WorkOptions } from "@residual/core";
import type { HttpAnswer } from "./transport.ts";

/** When a request is repeated. Node and browsers share these settings. */
export interface RetrySettings {
  /** The most consecutive retries that bring no further byte. */
  readonly retries: number;
  /** Milliseconds before the first retry. Each further wait is twice as long, up to `longestWait`. */
  readonly backoff: number;
  /** Milliseconds. The download fails if the server asks for a longer wait. */
  readonly longestWait: number;
}

export const retryDefaults: RetrySettings = { retries: 4, backoff: 500, longestWait: 60_000 };

/** A failure that a retry may fix. */
export class TransientFailure extends Error {
  /** The wait that the server asks for, in milliseconds. */
  readonly wait: number | undefined;
  /** Whether the server could not be reached at all. */
  readonly isUnreached: boolean;

  constructor(
    message: string,
    { cause, wait, isUnreached = false }: { cause?: unknown; wait?: number | undefined; isUnreached?: boolean } = {},
  ) {
    super(message, { cause });
    this.wait = wait;
    this.isUnreached = isUnreached;
  }
}

/** Thrown for a file that the server does not have. */
export class NotThere extends WeightsError {}

/** The most retries of a server that cannot be reached: a wrong address stays wrong. */
const UNREACHED = 2;

/**
 * Milliseconds to wait before the next try, after `failures` consecutive failures. Throws WeightsError if no retries
 * are left.
 */
export function waitAfter(failure: TransientFailure, failures: number, settings: RetrySettings): number {
  const { retries, backoff, longestWait } = settings;
  const { message, wait, isUnreached } = failure;
  if (failures > (isUnreached ? Math.min(UNREACHED, retries) : retries))
    throw new WeightsError(message, { cause: failure });
  if (wait !== undefined && wait > longestWait)
    throw new WeightsError(`${message}; it asks to wait for ${Math.ceil(wait / 1000)} s`, { cause: failure });
  return wait ?? Math.min(backoff * 2 ** (failures - 1), longestWait) * (0.75 + Math.random() / 2);
}

/** The error for a response without the file's bytes. `consent` tells how to get a file that requires consent. */
export function refusal(
  { status, headers }: Pick<HttpAnswer, "status" | "headers">,
  consent = "set HF_TOKEN where it is private or asks for consent",
): Error {
  const code = headers.get("x-error-code"); // set by the hub
  const words = `the server answered ${status}${code ? ` ${code.slice(0, 40)}` : ""}`;
  if (status === 206) return new WeightsError(`${words}, a piece of the file, where all of it was asked for`);
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return new TransientFailure(words, { wait: waitOf(headers) });
  if (status === 401 || status === 403) return new WeightsError(`${words}; check the name, and ${consent}`);
  if ((status === 404 || status === 410) && code !== "RepoNotFound" && code !== "RevisionNotFound")
    return new NotThere(words);
  return new WeightsError(words);
}

/** The wait that Retry-After asks for, in seconds or as a date; converted to milliseconds. */
function waitOf(headers: HttpAnswer["headers"]): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const wait = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

/** Waits. Throws AbortError as soon as the signal is aborted. */
export async function pause(milliseconds: number, signal: WorkOptions["signal"]): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    const abort = () => {
      clearTimeout(timer);
      reject(abortError(signal!));
    };
    signal?.addEventListener("abort", abort, { once: true });
  });
}
