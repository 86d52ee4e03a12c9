import type { IncomingHttpHeaders, Server } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";

/**
 * Closes connections that have been idle too long. After a busy event loop, timers run before sockets are read: a
 * request may have come in time, and a closed connection would be reset without an answer. So sockets are read first.
 */
export function closeIdle(http: Server): void {
  http.on("timeout", (socket: Socket) => {
    const { bytesRead } = socket;
    setImmediate(() => {
      if (socket.bytesRead === bytesRead) socket.destroy();
    });
  });
}

/** A request as it comes in. */
export type Incoming = Readable & { readonly headers: IncomingHttpHeaders };

/**
 * Reads a request's body, up to `most` bytes, and forgets it. A connection that closes with unread bytes is reset, and
 * the client may lose its answer. A body that someone else has begun to read is left alone.
 */
export async function discardBody(incoming: Incoming, most: number): Promise<void> {
  if (incoming.readableDidRead || incoming.destroyed || Number(incoming.headers["content-length"] ?? 0) > most) return;
  const enough = new AbortController();
  let bytes = 0;
  incoming.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes > most) enough.abort();
  });
  await finished(incoming, { signal: enough.signal }).catch(() => {}); // the client has gone, or sends too much
}
