import { WeightsError } from "@residual/core";

/** The part of a fetch response that downloads need. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null;
}

/** Sends one request, and does not follow redirections. */
export type Transport = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<HttpAnswer>;

/**
 * Opens Node's transport, which uses the proxies in HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Node's own fetch supports
 * them only since Node 24. The fetch of Deno and of Bun supports them.
 */
export async function openTransport(): Promise<Transport> {
  const { versions } = process as { versions: Readonly<Record<string, string | undefined>> };
  if (versions.bun !== undefined || versions.deno !== undefined)
    return (url, init) => fetch(url, { ...init, redirect: "manual" });
  const { EnvHttpProxyAgent, fetch: fetchThrough } = await import("undici");
  const dispatcher = orProxyError(
    () => new EnvHttpProxyAgent({ proxyTunnel: false, headersTimeout: 0, bodyTimeout: 0 }),
  );
  return (url, init) => fetchThrough(url, { ...init, redirect: "manual", dispatcher });
}

/** Reports a malformed proxy address: the environment variables are read when the agent is created. */
function orProxyError<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const { message } = cause as Error;
    throw new WeightsError(
      `HTTPS_PROXY, HTTP_PROXY: ${message}; expected the address of a proxy, as http://proxy.example.org:8080`,
      { cause },
    );
  }
}
