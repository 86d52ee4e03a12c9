import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { closeIdle } from "./connections.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const patience = { timeout: 30_000, interval: 2 };

it("a request that has come in time is answered, however late the server looks at the connection", async () => {
  const http = createServer((_, response) => response.end());
  http.keepAliveTimeout = 100;
  Object.assign(http, { keepAliveTimeoutBuffer: 0 });
  closeIdle(http);
  http.listen(0);
  await once(http, "listening");
  const socket = connect((http.address() as AddressInfo).port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    received += part;
  });
  socket.on("error", ({ code }: NodeJS.ErrnoException) => {
    received += code;
  });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  const statuses = () => [...received.matchAll(/HTTP\/1\.1 (\d+)|E(?:CONNRESET|PIPE)/g)].map((m) => m[1] ?? m[0]);
  socket.write(GET);
  await expect.poll(statuses, patience).toEqual(["200"]);
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      socket.write(GET);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // timers come next, and sockets after them
      resolve();
    });
  });
  await closed; // idle connections are closed nevertheless
  expect(statuses()).toEqual(["200", "200"]);
  http.close();
});
