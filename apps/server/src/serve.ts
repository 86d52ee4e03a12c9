import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";

export interface ServeOptions {
  /** TCP port; 0 takes a free one. Default 8000 */
  readonly port?: number | undefined;
  /** Address to listen on. Default 127.0.0.1 */
  readonly host?: string | undefined;
}

/** A server that answers. `close` waits for pending requests. */
export interface RunningServer extends AsyncDisposable {
  /** `http://127.0.0.1:8000` */
  readonly url: string;
  close(): Promise<void>;
}

/** Answers the Open Inference Protocol v2 over HTTP. */
export async function serve({ port = 8000, host = "127.0.0.1" }: ServeOptions = {}): Promise<RunningServer> {
  const app = new Hono().get("/v2/health/live", (c) => c.json({ live: true }));
  const listener = getRequestListener(app.fetch);
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://${host}:${bound}`, close, [Symbol.asyncDispose]: close };
}
