import { afterEach, expect, it, vi } from "vitest";
import { nextTurn, timeSlices } from "./turns.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Whether the work takes a turn of the event loop, and not just microtasks. */
async function takesTurn(work: () => Promise<void>): Promise<boolean> {
  let isDone = false;
  const done = work().then(() => {
    isDone = true;
  });
  for (let microtask = 0; microtask < 20; microtask++) await Promise.resolve();
  const wasDone = isDone;
  await done;
  return !wasDone;
}

it.each([setImmediate, undefined])("the next turn comes by %o", async (immediate) => {
  vi.stubGlobal("setImmediate", immediate);
  expect(await takesTurn(nextTurn)).toBe(true);
});

it("work yields once its time slice is over, and not before", async () => {
  const now = vi.spyOn(performance, "now").mockReturnValue(0);
  const breathe = timeSlices();
  expect(await takesTurn(breathe)).toBe(false);
  now.mockReturnValue(12);
  expect(await takesTurn(breathe)).toBe(true);
  expect(await takesTurn(breathe)).toBe(false); // a new slice
});
