import { abortError, WeightsError, type WorkOptions } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { authorization, isHub } from "./hub.ts";
import { TransientFailure } from "./retry.ts";
import type { Settings } from "./settings.ts";
import type { HttpAnswer } from "./transport.ts";

/** The hub's headers about a file, from the response that redirects to another host. */
export interface Linked {
  /** 64 hexadecimal digits. */
  readonly sha256?: string;
  readonly bytes?: number;
}

export interface Response {
  /** Readers of the body must keep this reference: undici cancels the body once the response is garbage-collected. */
  readonly answer: HttpAnswer;
  readonly linked: Linked;
}

const MOST_REDIRECTIONS = 10;

/** An abort signal that follows the caller's signal, and also aborts after a time without data. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #outer: WorkOptions["signal"];
  readonly #stall: number;
  readonly #abort = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStalled = false;

  constructor(outer: WorkOptions["signal"], stall: number) {
    this.#outer = outer;
    this.#stall = stall;
    outer?.addEventListener("abort", this.#abort, { once: true });
    this.alive();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Reports that data arrived. */
  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isStalled = true;
      this.#controller.abort();
    }, this.#stall);
  }

  /** Converts a connection error to the error to throw. */
  meaningOf(error: unknown): unknown {
    if (this.#outer?.aborted) return abortError(this.#outer);
    if (error instanceof TransientFailure || error instanceof WeightsError) return error;
    if (this.#isStalled) return new TransientFailure(`nothing came for ${this.#stall / 1000} s`, { cause: error });
    if (!isOfConnection(error)) return error;
    const isUnreached = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOST|ENET)/.test(codeOf(error) ?? "");
    return new TransientFailure(wordsOf(error), { cause: error, isUnreached });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
  }
}

/** Whether an error comes from fetch or a socket, and not from the file system. */
function isOfConnection(error: unknown): boolean {
  if (error instanceof TypeError && /fetch|terminated|network|body/i.test(error.message)) return true;
  return /^(UND_ERR|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET|ERR_TLS|CERT|HPE_)/.test(codeOf(error) ?? "");
}

/** The code of an error, or of its cause. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, cause } = error as NodeJS.ErrnoException;
  return code ?? codeOf(cause);
}

/** The message of an error's cause: Node's fetch itself says only "fetch failed". */
function wordsOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { message: why, code } = (cause ?? {}) as { readonly message?: string; readonly code?: string };
  return shown(why || code || message);
}

/**
 * Requests a file and follows redirections. The hub's token is sent only to the hub. A redirection from https to http
 * is refused. Throws TransientFailure and WeightsError.
 */
export async function request(
  from: string,
  headers: Readonly<Record<string, string>>,
  { transport }: Settings,
  watch: Watch,
): Promise<Response> {
  let url = new URL(from);
  let linked: Linked = {};
  for (let i = 0; i <= MOST_REDIRECTIONS; i++) {
    const answer = await transport(url.href, {
      headers: { "accept-encoding": "identity", "user-agent": "residual", ...headers, ...authorization(url) },
      signal: watch.signal,
    });
    watch.alive();
    if (isHub(url)) linked = { ...linkedOf(answer), ...linked };
    const location = answer.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return { answer, linked };
    await answer.body?.cancel();
    url = nextAfter(url, location);
  }
  throw new WeightsError(`the server sends on more than ${MOST_REDIRECTIONS} times`);
}

function nextAfter(url: URL, location: string): URL {
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  const isSafe = next && (next.protocol === "https:" || (next.protocol === "http:" && url.protocol === "http:"));
  if (isSafe) return next;
  throw new WeightsError(`the server sends on from ${url.origin} to ${shown(location, 80)}, expected an https address`);
}

function linkedOf({ headers }: HttpAnswer): Linked {
  const sha256 = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(headers.get("x-linked-etag") ?? "")?.[1];
  const bytes = wholeNumber(headers.get("x-linked-size"));
  return { ...(sha256 !== undefined && { sha256 }), ...(bytes !== undefined && { bytes }) };
}

/** The whole number in a header; undefined if the header is missing or malformed. */
export function wholeNumber(text: string | null | undefined): number | undefined {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : undefined;
}
