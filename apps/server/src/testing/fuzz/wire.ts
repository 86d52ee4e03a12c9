import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** What a client sends: bytes, and pauses in milliseconds. */
export type Part = Uint8Array | string | number;

/** A body with its headers. */
export interface Body {
  readonly headers: readonly string[];
  readonly bytes: Uint8Array;
}

export interface Exchange {
  readonly kind: string;
  readonly parts: readonly Part[];
  /**
   * How the client goes on: it waits for answers, closes its side of the connection, or breaks the connection off and
   * gets no answer.
   */
  readonly next: "wait" | "end" | "break";
  /** The number of requests, where the server reads each of them. Default 1 */
  readonly requests?: number;
  /** Whether the answer may be 503 or 504: the request leaves no time for its work. */
  readonly isHurried?: boolean;
  /** Whether the connection may be closed without an answer. */
  readonly mayClose?: boolean;
}

/** The statuses of the answers, in order; an error of the connection, or none in time, as a word. */
export interface Heard {
  readonly statuses: readonly number[];
  readonly failure?: string;
}

/** Sends over a connection of its own, and listens until the server closes the connection. */
export async function exchange(port: number, { parts, next }: Exchange, timeout: number): Promise<Heard> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const received: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => received.push(bytes));
  let failure: string | undefined;
  socket.on("error", (error: NodeJS.ErrnoException) => {
    failure = error.code ?? error.message;
  });
  const closed = firstOf(socket, "end", "close");
  await send(socket, parts);
  if (next === "break") {
    socket.resetAndDestroy();
    return { statuses: [] };
  }
  if (next === "end") socket.end();
  const late = new AbortController();
  const isLate = await Promise.race([
    closed.then(() => false),
    wait(timeout, true, { signal: late.signal }).catch(() => false),
  ]);
  late.abort();
  socket.destroy();
  if (isLate) failure = "no answer in time";
  return { statuses: statusesOf(Buffer.concat(received).toString("latin1")), ...(failure && { failure }) };
}

/** Unlike `once`, it goes on after an error, which `close` follows. */
function firstOf(socket: Socket, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    for (const event of events) socket.once(event, () => resolve());
  });
}

async function send(socket: Socket, parts: readonly Part[]): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed || socket.readableEnded) return;
    if (typeof part === "number") await wait(part);
    else if (!socket.write(part)) await firstOf(socket, "drain", "close");
  }
}

/** The statuses of HTTP/1.1 answers one behind the other. An interim answer (1xx) is none. */
function statusesOf(text: string): readonly number[] {
  const statuses: number[] = [];
  for (let at = 0; at < text.length; ) {
    const [head, status] = /^HTTP\/1\.1 (\d{3})[\s\S]*?\r\n\r\n/.exec(text.slice(at, at + 65_536)) ?? [];
    if (head === undefined) return [...statuses, Number.NaN];
    at += head.length;
    if (Number(status) < 200) continue;
    statuses.push(Number(status));
    at += bodyLength(head, text, at);
  }
  return statuses;
}

function bodyLength(head: string, text: string, from: number): number {
  if (/^transfer-encoding: *chunked/im.test(head)) {
    let at = from;
    for (;;) {
      const [line, size] = /^([\da-f]+)\r\n/i.exec(text.slice(at, at + 32)) ?? ["", "0"];
      const bytes = Number.parseInt(size, 16);
      at += line.length + bytes + 2;
      if (bytes === 0) return Math.min(at, text.length) - from;
    }
  }
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  const isNext = text.startsWith("HTTP/1.1 ", from); // an answer to HEAD has no body
  return isNext ? 0 : Math.min(Number(length ?? Infinity), text.length - from);
}
