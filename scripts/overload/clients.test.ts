import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { Clients } from "./clients.ts";

/** Closes idle connections 1 s after the 2 s that it announces. */
const program = `
  const server = require("node:http").createServer((request, response) => request.resume().on("end", () => response.end()));
  server.keepAliveTimeout = 2000;
  server.listen(0, () => require("node:worker_threads").parentPort.postMessage(server.address().port));`;

it("answers over a connection that the server has closed while this process was busy", async () => {
  const server = new Worker(program, { eval: true });
  const [port] = (await once(server, "message")) as [number];
  const clients = new Clients(`http://127.0.0.1:${port}`, new Uint8Array(1000));
  const first = await clients.post();
  await new Promise((resolve) => setTimeout(resolve, 50));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000); // the connection's end stays unread
  expect([first, await clients.post()]).toMatchObject([{ status: 200 }, { status: 200 }]);
  clients.close();
  await server.terminate();
});
