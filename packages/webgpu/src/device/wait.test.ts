import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mapWhenDone, napping } from "./wait.ts";

/** A buffer like Dawn's in Node, which polls in every turn of the event loop while a mapping is pending. */
function bufferOfDawn(duration: number) {
  const end = performance.now() + duration;
  let open: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const tick = () => {
    if (!open) return;
    if (isLost) return void setImmediate(settle);
    if (performance.now() < end) setImmediate(tick);
    else setImmediate(settle); // Dawn settles a turn later
  };
  const settle = () => {
    if (isLost) open?.reject(new DOMException("lost", "AbortError"));
    else open?.resolve();
    open = undefined;
  };
  let isLost = false;
  return {
    mapAsync: vi.fn(() => {
      setImmediate(tick);
      return new Promise<undefined>((resolve, reject) => {
        open = { resolve: () => resolve(undefined), reject };
      });
    }),
    unmap: vi.fn(() => {
      open?.reject(new DOMException("unmapped", "AbortError"));
      open = undefined;
      return undefined;
    }),
    lose() {
      isLost = true;
    },
  };
}

const READ = 1;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Passes the time, millisecond by millisecond. */
async function pass(milliseconds: number): Promise<void> {
  for (let i = 0; i < milliseconds; i++) await vi.advanceTimersByTimeAsync(1);
}

describe("mapWhenDone", () => {
  it("takes no mapping back in Deno, which answers after many turns, and has setImmediate too", async () => {
    vi.stubGlobal("Deno", {});
    const buffer = bufferOfDawn(16);
    const mapping = mapWhenDone(buffer, READ);
    await pass(20);
    await mapping;
    expect(buffer.mapAsync).toHaveBeenCalledTimes(1);
    expect(buffer.unmap).not.toHaveBeenCalled();
    vi.unstubAllGlobals();
  });

  it("pauses between questions, a sixteenth of the time waited so far and 4 ms at most", async () => {
    const pauses = vi.spyOn(globalThis, "setTimeout");
    const buffer = bufferOfDawn(100);
    const start = performance.now();
    let end: number | undefined;
    void mapWhenDone(buffer, READ).then(() => {
      end = performance.now();
    });
    await pass(200);
    expect(end).toBeGreaterThanOrEqual(start + 100);
    expect(end).toBeLessThan(start + 100 + 4 + 4); // one pause, and four turns of 1 ms each
    const delays = pauses.mock.calls.map(([, delay]) => delay!);
    expect(delays.length).toBeGreaterThan(8);
    for (const [i, delay] of delays.entries()) expect(delay).toBeGreaterThanOrEqual(delays[i - 1] ?? 0);
    expect(Math.max(...delays)).toBe(4);
  });

  it("asks at every turn for the first 2 ms, and takes nothing back", async () => {
    const buffer = bufferOfDawn(1);
    const mapping = mapWhenDone(buffer, READ);
    await pass(5);
    await mapping;
    expect(buffer.mapAsync).toHaveBeenCalledOnce();
    expect(buffer.unmap).not.toHaveBeenCalled();
  });

  it("leaves the buffer mapped", async () => {
    const buffer = bufferOfDawn(20);
    const mapping = mapWhenDone(buffer, READ);
    await pass(50);
    await mapping;
    expect(buffer.mapAsync.mock.calls.length).toBe(buffer.unmap.mock.calls.length + 1);
  });

  it("rejects as mapAsync does, and asks no more", async () => {
    const buffer = bufferOfDawn(1000);
    const mapping = mapWhenDone(buffer, READ);
    const rejected = expect(mapping).rejects.toThrow("lost"); // an AbortError, as after unmap
    await pass(20);
    buffer.lose();
    await pass(20);
    await rejected;
    const asked = buffer.mapAsync.mock.calls.length;
    await pass(20);
    expect(buffer.mapAsync.mock.calls.length).toBe(asked);
  });

  it("is one plain mapping where there is no setImmediate, as in browsers", async () => {
    const { setImmediate } = globalThis;
    Reflect.deleteProperty(globalThis, "setImmediate");
    try {
      const buffer = { mapAsync: vi.fn(() => Promise.resolve(undefined)), unmap: vi.fn(() => undefined) };
      await mapWhenDone(buffer, READ);
      expect([buffer.mapAsync.mock.calls, buffer.unmap.mock.calls]).toEqual([[[READ]], []]);
    } finally {
      globalThis.setImmediate = setImmediate;
    }
  });
});

describe("napping", () => {
  it("resolves and rejects as the work does, and sleeps in turns of the event loop", async () => {
    vi.useRealTimers();
    const wait = vi.spyOn(Atomics, "wait");
    const work = new Promise((resolve) => setTimeout(resolve, 20, "done"));
    expect(await napping(work)).toBe("done");
    expect(wait.mock.calls.length).toBeGreaterThan(1);
    expect(wait.mock.results.every(({ value }) => value === "timed-out")).toBe(true);
    await expect(napping(Promise.reject(new Error("lost")))).rejects.toThrow("lost");
    wait.mockRestore();
  });

  it("does not sleep where there is no setImmediate, as in browsers", async () => {
    const { setImmediate } = globalThis;
    const wait = vi.spyOn(Atomics, "wait");
    Reflect.deleteProperty(globalThis, "setImmediate");
    try {
      expect(await napping(Promise.resolve(1))).toBe(1);
      expect(wait).not.toHaveBeenCalled();
    } finally {
      globalThis.setImmediate = setImmediate;
      wait.mockRestore();
    }
  });
});
