import { abortError, WeightsError, type WorkOptions } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { authorization, isHub } from "./hub.ts";
import { TransientFailure } from "./retry.ts";
import type { Settings } from "./settings.ts";
import type { HttpAnswer } from "./transport.ts";

/** The hub's headers about a file, sent before it redirects to another host. */
export interface Linked {
  /** 64 hexadecimal digits. */
  readonly sha256?: string;
  readonly bytes?: number;
}

export interface Response {
  /** Whoever reads the body holds this: undici cancels the body of an answer that is garbage. */
  readonly answer: HttpAnswer;
  readonly linked: Linked;
}

const MOST_REDIRECTIONS = 10;

/** A signal of one's own that goes with the caller's, and aborts by itself once nothing has come for a while. */
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

  /** Something came. */
  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isStalled = true;
      this.#controller.abort();
    }, this.#stall);
  }

  /** The meaning of a connection error. */
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

/** Errors of fetch and of sockets, not of the file system. */
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

/** Node's fetch says no more than "fetch failed". */
function wordsOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { message: why, code } = (cause ?? {}) as { readonly message?: string; readonly code?: string };
  return shown(why || code || message);
}

/**
 * Asks for a file, and follows redirections: the hub's token goes to the hub alone, and nothing is fetched over http
 * that was asked for over https. Throws TransientFailure and WeightsError.
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

/** A header's number; undefined where it is none. */
export function wholeNumber(text: string | null | undefined): number | undefined {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : undefined;
}
