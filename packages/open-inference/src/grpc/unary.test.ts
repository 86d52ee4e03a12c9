import { once } from "node:events";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { afterAll, expect, it } from "vitest";
import { GrpcClient, methods } from "../testing/grpc-client.ts";
import { type CallWork, unaryWith } from "./unary.ts";

const started = new EventTarget();
let work: CallWork | undefined;

/** Works until the call ends. */
const wait = unaryWith(() => {})(async (_, own) => {
  work = own;
  started.dispatchEvent(new Event("started"));
  await once(own.signal, "abort");
  return {};
});

const server = new Server();
server.addService({ ServerLive: methods.ServerLive! }, { ServerLive: wait });
const port = await new Promise<number>((resolve, reject) => {
  const address = "127.0.0.1:0";
  server.bindAsync(address, ServerCredentials.createInsecure(), (error, found) =>
    error ? reject(error) : resolve(found),
  );
});
const client = new GrpcClient(`127.0.0.1:${port}`);
afterAll(() => {
  client[Symbol.dispose]();
  server.forceShutdown();
});

it("the work ends when the client cancels", async () => {
  const controller = new AbortController();
  const isStarted = once(started, "started");
  const call = client.call("ServerLive", {}, { signal: controller.signal });
  await isStarted;
  expect([work!.signal.aborted, work!.deadline]).toEqual([false, Number.POSITIVE_INFINITY]);
  const ended = once(work!.signal, "abort");
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
  await ended;
});

it("the work is told the call's deadline, and ends when it passes", async () => {
  const isStarted = once(started, "started");
  const call = client.call("ServerLive", {}, { deadline: 400 });
  await isStarted;
  expect(work!.deadline).toBeLessThanOrEqual(400);
  const ended = once(work!.signal, "abort");
  await expect(call).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  await ended;
});
