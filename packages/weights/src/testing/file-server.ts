import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Faults that a server may add to a response. */
export type Mischief = (request: IncomingMessage, response: ServerResponse, file: Uint8Array) => void;

/** A file server that supports ranges. `next` holds faults for the next requests, one for each. */
export class FileServer implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>();
  /** Additional headers of responses, by path. */
  readonly headers = new Map<string, Record<string, string>>();
  readonly next: Mischief[] = [];
  /** A received request: method, path and headers. */
  readonly requests: { readonly url: string; readonly headers: IncomingMessage["headers"] }[] = [];
  #server: Server | undefined;

  async start(): Promise<this> {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  /** The requested ranges, in order. */
  get ranges(): readonly (string | undefined)[] {
    return this.requests.map(({ headers }) => headers.range);
  }

  /**
   * Sends the first `bytes` of the requested file, and closes the connection once `reached` is called: bytes that
   * arrive together with the close would be lost.
   */
  dropAfter(bytes: number, { etag = true } = {}): Mischief {
    return (request, response, file) => {
      const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const headers = { ...(etag && { etag: etagOf(file) }), "content-length": file.length - begin };
      const range = `bytes ${begin}-${file.length - 1}/${file.length}`;
      if (begin > 0) response.writeHead(206, { ...headers, "content-range": range });
      else response.writeHead(200, headers);
      this.#drops.set(begin + bytes, () => response.destroy());
      if (bytes > 0) response.write(file.subarray(begin, begin + bytes));
      else response.flushHeaders();
    };
  }

  readonly #drops = new Map<number, () => void>();

  /** Reports that `done` bytes of the file have arrived. */
  reached(done: number): void {
    this.#drops.get(done)?.();
    this.#drops.delete(done);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server!.closeAllConnections();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = "", headers } = request;
    this.requests.push({ url, headers });
    const file = this.files.get(url);
    const mischief = this.next.shift();
    if (mischief) mischief(request, response, file ?? new Uint8Array());
    else if (file) this.serve(request, response, file);
    else response.writeHead(404, { "x-error-code": "EntryNotFound" }).end("not here");
  }

  /** Answers correctly, with the file or the requested range. */
  serve(request: IncomingMessage, response: ServerResponse, file: Uint8Array): void {
    const etag = this.headers.get(request.url!)?.etag ?? etagOf(file);
    const { range, "if-range": ifRange } = request.headers;
    const begin = /^bytes=(\d+)-$/.exec(range ?? "")?.[1];
    const headers = { etag, "accept-ranges": "bytes", ...this.headers.get(request.url!) };
    if (begin === undefined || (ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { ...headers, "content-length": file.length }).end(file);
    } else if (Number(begin) >= file.length) {
      response.writeHead(416, { ...headers, "content-range": `bytes */${file.length}` }).end();
    } else {
      const rest = file.subarray(Number(begin));
      const contentRange = `bytes ${begin}-${file.length - 1}/${file.length}`;
      response.writeHead(206, { ...headers, "content-range": contentRange, "content-length": rest.length }).end(rest);
    }
  }
}

export function etagOf(file: Uint8Array): string {
  return `"${createHash("md5").update(file).digest("hex")}"`;
}

export function sha256Of(file: Uint8Array): string {
  return createHash("sha256").update(file).digest("hex");
}

/** Sends the first `bytes`, and then nothing. */
export function stallAfter(bytes: number): Mischief {
  return (_, response, file) => {
    response.writeHead(200, { etag: etagOf(file), "content-length": file.length });
    response.write(file.subarray(0, bytes));
  };
}

/** Answers with a status and no file. */
export function status(code: number, headers: Record<string, string> = {}): Mischief {
  return (_, response) => void response.writeHead(code, headers).end("<html>an error page</html>");
}
