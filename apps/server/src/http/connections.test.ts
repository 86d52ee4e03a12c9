import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { serve } from "../index.ts";
import { ask, inferBody, post, running } from "../testing/running.ts";

/** A connection, and what it receives: answers, or the code of its error. */
async function connected(url: string): Promise<{ socket: Socket; received: () => string; closed: Promise<unknown> }> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  socket.on("error", ({ code }: NodeJS.ErrnoException) => {
    text += code;
  });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  await once(socket, "connect");
  return { socket, received: () => text, closed };
}

/** The answers' statuses, and the code of the error that ended the connection. */
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)|E(?:CONNRESET|PIPE)/g)].map((m) => m[1] ?? m[0]);

const patience = { timeout: 30_000, interval: 2 };

const head = (path: string, bytes: number) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`;

it("a body may come after its request was refused, and the connection stays", async () => {
  const { url } = await running({ apiKeys: ["key"] });
  const { socket, received } = await connected(url);
  socket.write(head("/v1/classify", 100_000));
  await setTimeout(800); // Hono's adapter gives such a body 500 ms
  socket.write("a".repeat(100_000));
  await expect.poll(() => statuses(received()), patience).toEqual(["401"]);
  socket.end(head("/v1/classify", 0));
  await expect.poll(() => statuses(received()), patience).toEqual(["401", "401"]);
});

const images = 200;
const infer = (url: string) => post(`${url}/v2/models/cifar_resnet20/infer`, inferBody({}, images));
const waiting = async (url: string) =>
  Number(/residual_queue_images{.*} (\d+)/.exec(String((await ask(`${url}/metrics`)).body))?.[1]);

it("503 for a picture that has not come yet, and not a reset", async () => {
  const { url } = await running({ maxBatch: 1, maxWaiting: images, maxImages: images });
  const { socket, received } = await connected(url);
  const pending = infer(url);
  await expect.poll(() => waiting(url), patience).toBeGreaterThan(images / 2);
  socket.write(head("/v1/classify?timeout=20", 1_000_000));
  expect((await pending).status).toBe(200); // from here on there would be time for it
  expect(received()).toBe("");
  socket.end("a".repeat(1_000_000));
  await expect.poll(() => statuses(received()), patience).toEqual(["503"]);
});

it("503 and not a reset while the server stops, for a body that is still sent", async () => {
  const server = await serve({
    port: 0,
    threads: 1,
    backend: "wasm",
    maxBatch: 1,
    maxImages: images,
    maxWaiting: images,
  });
  const { socket, received, closed } = await connected(server.url);
  const pending = infer(server.url);
  await expect.poll(() => waiting(server.url), patience).toBeGreaterThan(0);
  const stopped = server.close();
  socket.write(head("/v1/classify", 2_000_000));
  socket.write("a".repeat(1_000_000));
  expect((await ask(`${server.url}/v2/health/ready`)).status).toBe(503); // the server has seen the request before this
  await setTimeout(100);
  await promisify(socket.write.bind(socket) as (text: string, done: () => void) => void)("a".repeat(1_000_000));
  await closed;
  expect(statuses(received())).toEqual(["503"]);
  expect((await pending).status).toBe(200);
  await stopped;
});
