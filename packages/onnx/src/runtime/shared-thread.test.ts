import { DeviceLostError } from "@residual/core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { FromThread, ToThread } from "./protocol.ts";
import { type RuntimeThread, SharedThread } from "./shared-thread.ts";
import { ThreadClient } from "./thread-client.ts";

/** What has happened to threads, in order. */
let events: string[];
let clients: ThreadClient[];
beforeEach(() => {
  events = [];
  clients = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A thread that does every job at once, and takes 10 ms to end. */
function start(): RuntimeThread {
  const number = clients.length;
  const reply = (message: FromThread) => queueMicrotask(() => client.receive(message));
  const client = new ThreadClient(
    {
      post(message: ToThread) {
        if (message.kind === "cancel" || message.kind === "commit") return;
        events.push(`${message.kind} ${message.session} on ${number}`);
        reply({ kind: "done", id: message.id, outputs: {}, spent: [] });
      },
      setBusy: () => {},
    },
    (message) => new DeviceLostError(message),
  );
  clients.push(client);
  events.push(`start ${number}`);
  return {
    client,
    async end() {
      events.push(`end ${number}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      events.push(`ended ${number}`);
    },
  };
}

const source = { model: "model.onnx" };

it("starts one thread for all sessions, and ends it with the last", async () => {
  const shared = new SharedThread();
  const [first, second] = [await shared.open(start, {}), await shared.open(start, {})];
  await first.load(source, undefined);
  await second.load(source, undefined);
  await Promise.all([first.close(), first.close()]);
  expect(events).toEqual(["start 0", "create 0 on 0", "create 1 on 0", "release 0 on 0"]);
  const closed = second.close();
  await vi.runAllTimersAsync();
  await closed;
  expect(events.slice(4)).toEqual(["release 1 on 0", "end 0", "ended 0"]);
});

it("starts the next only when the one before has ended", async () => {
  const shared = new SharedThread();
  const first = await shared.open(start, {});
  const closed = first.close();
  await vi.advanceTimersByTimeAsync(5);
  const opening = Promise.all([shared.open(start, {}), shared.open(start, {})]);
  await vi.runAllTimersAsync();
  await Promise.all([closed, opening]);
  expect(events).toEqual(["start 0", "release 0 on 0", "end 0", "ended 0", "start 1"]);
});

it("keeps an idle thread for a while", async () => {
  const shared = new SharedThread(1000);
  await (await shared.open(start, {})).close();
  await vi.advanceTimersByTimeAsync(999);
  const second = await shared.open(start, {});
  await vi.advanceTimersByTimeAsync(5000);
  expect(events).toEqual(["start 0", "release 0 on 0"]);
  await second.close();
  await vi.advanceTimersByTimeAsync(1010);
  expect(events.slice(2)).toEqual(["release 1 on 0", "end 0", "ended 0"]);
});

it("replaces a thread that is lost", async () => {
  const shared = new SharedThread(1000);
  const first = await shared.open(start, {});
  clients[0]!.lose(new DeviceLostError("gone"));
  await expect(first.load(source, undefined)).rejects.toThrow("gone");
  const second = await shared.open(start, {});
  await second.load(source, undefined);
  await first.close(); // frees nothing, and does not end the other
  await vi.advanceTimersByTimeAsync(1010);
  expect(events).toEqual(["start 0", "start 1", "create 1 on 1", "end 0", "ended 0"]);
});

it("throws what starting a thread throws, and goes on", async () => {
  const shared = new SharedThread();
  const failing = () => {
    throw new TypeError("no thread");
  };
  await expect(shared.open(failing, {})).rejects.toThrow("no thread");
  await (await shared.open(start, {})).load(source, undefined);
  expect(events).toEqual(["start 0", "create 0 on 0"]);
});
