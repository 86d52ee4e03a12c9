import { readFileSync } from "node:fs";
import { afterAll } from "vitest";
import { type RunningServer, type ServeOptions, serve } from "../index.ts";

export const photo = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../../../photos/${name}`, import.meta.url)));

/** A server on a free port with the weights that ship with Residual, until the tests of the file have run. */
export async function running(options: ServeOptions = {}): Promise<RunningServer> {
  const server = await serve({ port: 0, threads: 1, backend: "wasm", ...options });
  afterAll(() => server.close());
  return server;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** The answer to a request, its body parsed if it is JSON. */
export async function ask(url: string, init?: RequestInit): Promise<Answered> {
  const response = await fetch(url, init);
  const isJson = response.headers.get("Content-Type")?.includes("json");
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? await response.json() : await response.text(),
  };
}

export const post = (url: string, body: RequestInit["body"], headers: Record<string, string> = {}): Promise<Answered> =>
  ask(url, { method: "POST", body: body ?? null, headers });

/** A request of infer for the shipped model's input [images, 3, 32, 32]. */
export const inferBody = (change: object = {}, images = 1): string =>
  JSON.stringify({
    inputs: [
      {
        name: "image",
        shape: [images, 3, 32, 32],
        datatype: "FP32",
        data: Array.from({ length: images * 3072 }, () => 0.5),
        ...change,
      },
    ],
  });
