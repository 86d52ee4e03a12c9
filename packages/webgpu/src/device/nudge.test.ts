import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nudged, nudgeFor } from "./nudge.ts";

/** A queue like Firefox's: it checks every 100 ms whether work is done, and whenever something is submitted. */
function queueOfFirefox(phase: number) {
  const waiting: { readonly done: number; readonly resolve: () => void }[] = [];
  const look = () => {
    for (const each of waiting.splice(0)) {
      if (each.done <= performance.now()) each.resolve();
      else waiting.push(each);
    }
  };
  setTimeout(() => setInterval(look, 100), phase);
  const submit = vi.fn(look);
  /** Resolves once the queue sees that work of `milliseconds` is done. */
  const work = (duration: number) =>
    new Promise<void>((resolve) => waiting.push({ done: performance.now() + duration, resolve }));
  return { submit, work, onSubmittedWorkDone: () => work(0) };
}

class FakePort extends EventTarget {
  start() {}
  close() {}
}

/** A channel whose messages arrive at once, since the fake clock does not handle messages. */
class FakeChannel {
  readonly port1 = new FakePort();
  readonly port2 = { postMessage: () => queueMicrotask(() => this.port1.dispatchEvent(new Event("message"))) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "performance"] });
  vi.stubGlobal("MessageChannel", FakeChannel);
  vi.stubGlobal("process", Object.create(process, { versions: { value: {} } })); // a page
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** The result of a promise, and the milliseconds that it took. */
async function timed<T>(promise: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const begun = performance.now();
  let end: number | undefined;
  const settled = promise.finally(() => {
    end = performance.now();
  });
  settled.catch(() => {});
  while (end === undefined) await vi.advanceTimersByTimeAsync(1);
  return { value: await settled, ms: end - begun };
}

describe("a queue that looks every 100 ms", () => {
  it.each([0, 1, 10, 19, 20, 21, 50, 99])("is known by its answers, %s ms before it first looks", async (phase) => {
    const queue = queueOfFirefox(phase);
    const { value: nudge, ms } = await timed(nudgeFor(queue));
    nudge?.();
    expect(queue.submit).toHaveBeenCalledExactlyOnceWith([]);
    expect(ms).toBeLessThanOrEqual(2 * 20 + 2);
  });

  it.each([0, 1, 3, 17, 60, 250, 999])("answers work of %s ms at most 5 ms late", async (duration) => {
    const queue = queueOfFirefox(50);
    const { ms } = await timed(nudged(queue.work(duration), () => queue.submit()));
    expect(ms).toBeGreaterThanOrEqual(duration);
    expect(ms).toBeLessThanOrEqual(duration + 5);
    const nudges = queue.submit.mock.calls.length;
    await vi.advanceTimersByTimeAsync(100);
    expect(queue.submit).toHaveBeenCalledTimes(nudges); // none after the work is done
  });

  it("is left alone once the work fails, and the error is the work's", async () => {
    const nudge = vi.fn();
    const failing = new Promise((_, reject) => setTimeout(reject, 10, new Error("lost")));
    await expect(timed(nudged(failing, nudge))).rejects.toThrow("lost");
    const nudges = nudge.mock.calls.length;
    await vi.advanceTimersByTimeAsync(100);
    expect(nudge).toHaveBeenCalledTimes(nudges);
  });
});

it.each([
  ["answers at once", async () => {}],
  ["is lost", () => Promise.reject(new Error("lost"))],
])("a queue that %s is not nudged", async (_, onSubmittedWorkDone) => {
  expect((await timed(nudgeFor({ submit: () => {}, onSubmittedWorkDone }))).value).toBeUndefined();
});

it("nothing is asked of a queue outside browsers", async () => {
  vi.unstubAllGlobals();
  const onSubmittedWorkDone = vi.fn(async () => {});
  expect(await nudgeFor({ submit: () => {}, onSubmittedWorkDone })).toBeUndefined();
  expect(onSubmittedWorkDone).not.toHaveBeenCalled();
});
