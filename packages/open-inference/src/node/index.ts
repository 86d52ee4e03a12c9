import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { closeIdle, discardBody, type Incoming } from "./connections.ts";

export interface NodeServerOptions {
  /** The longest time for a request to arrive, in ms. */
  readonly requestTimeout: number;
  /** The longest time for an answer, in ms. */
  readonly timeout: number;
  /** Further connections are closed without an answer. */
  readonly maxConnections: number;
  /** The most bytes of a body. */
  readonly maxBytes: number;
}

/** Milliseconds. A proxy keeps idle connections for 60 s, and has to be the first to close. */
const IDLE = 75_000;

/**
 * Node's server for an app of Hono, not listening yet. A request that comes in time is answered, never reset: neither
 * while an idle connection is closed nor when it is refused before its body is read.
 */
export function nodeServer(
  app: { fetch(request: Request, env: object): Response | Promise<Response> },
  { requestTimeout, timeout, maxConnections, maxBytes }: NodeServerOptions,
): Server {
  const fetch = async (request: Request, env: { readonly incoming: Incoming }) => {
    const response = await app.fetch(request, env);
    await discardBody(env.incoming, maxBytes);
    return response;
  };
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  const limits = {
    headersTimeout: requestTimeout,
    requestTimeout,
    connectionsCheckingInterval: Math.ceil(requestTimeout / 4),
  };
  const http = createServer(limits, (request, response) => void listener(request, response));
  // Node closes the connection of a CONNECT without an answer where nothing listens
  http.on("connect", (_, socket) => socket.end("HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n"));
  http.maxConnections = maxConnections;
  http.timeout = requestTimeout + timeout; // a client that does not read its answer
  closeIdle(http);
  http.keepAliveTimeout = IDLE;
  return http;
}
