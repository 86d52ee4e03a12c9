import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { paced, pacedMeanwhile } from "./pace.ts";

/** As Dawn in Node: asks at every turn of the event loop, which it looks for anew each time, until it is done. */
function dawn(duration: number) {
  const end = performance.now() + duration;
  const asked: number[] = [];
  const tick = () => {
    asked.push(performance.now());
    if (performance.now() < end) globalThis.setImmediate(tick);
  };
  return { asked, begin: () => void globalThis.setImmediate(tick) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("what is waited for", () => {
  it("is asked for seldom once it takes long, and within a sixteenth of the time that it took", async () => {
    const { asked, begin } = dawn(100);
    paced(begin);
    await vi.advanceTimersByTimeAsync(1); // turns that take no time
    const atOnce = asked.length;
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.length - atOnce).toBeLessThan(60);
    expect(asked.at(-1)).toBeGreaterThanOrEqual(asked[0]! + 99);
    expect(asked.at(-1)).toBeLessThan(asked[0]! + 100 + 100 / 16 + 1);
  });

  it("is asked for at every turn again once something else is begun", async () => {
    const long = dawn(1000);
    paced(long.begin);
    await vi.advanceTimersByTimeAsync(500);
    const before = long.asked.length;
    paced(() => {});
    await vi.advanceTimersByTimeAsync(8);
    expect(long.asked.length - before).toBeGreaterThan(2); // and not the two of every 4 ms
  });

  it("is asked for every two milliseconds from the start where there is other work to do", async () => {
    paced(() => {});
    await vi.advanceTimersByTimeAsync(100); // since what was begun last
    const { asked, begin } = dawn(40);
    pacedMeanwhile(begin);
    await vi.advanceTimersByTimeAsync(20);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.length).toBeLessThan(12);
  });

  it("is asked for at every turn by whom waits, whatever else is begun", async () => {
    const { asked, begin } = dawn(100);
    paced(begin);
    await vi.advanceTimersByTimeAsync(1);
    pacedMeanwhile(() => {});
    await vi.advanceTimersByTimeAsync(7);
    expect(asked.length).toBeGreaterThan(6); // and not every other millisecond
  });

  it("leaves setImmediate as it was, for the process and where it throws", async () => {
    const { setImmediate } = globalThis;
    const { asked, begin } = dawn(20);
    paced(begin);
    expect(globalThis.setImmediate).toBe(setImmediate);
    const failing = () => {
      throw new Error("lost");
    };
    expect(() => paced(failing)).toThrow("lost");
    expect(globalThis.setImmediate).toBe(setImmediate);
    await vi.advanceTimersByTimeAsync(30);
    expect(asked.length).toBeGreaterThan(2);
    expect(globalThis.setImmediate).toBe(setImmediate);
  });

  it("is begun where there is no setImmediate, as in browsers", () => {
    const { setImmediate } = globalThis;
    try {
      Reflect.deleteProperty(globalThis, "setImmediate");
      expect(paced(() => "begun")).toBe("begun");
      expect("setImmediate" in globalThis).toBe(false);
    } finally {
      globalThis.setImmediate = setImmediate;
    }
  });
});
