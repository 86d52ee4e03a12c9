import { afterEach, describe, expect, it, vi } from "vitest";
import type { Call } from "./calls.ts";
import { Engine } from "./engine.ts";
import { Pace, runInSlices, TURN } from "./slices.ts";

let begin = 0;

/** An engine whose tasks take some time by a clock that nothing else moves. Notes the ranges that are done. */
class Slow extends Engine {
  readonly ranges: { readonly kernel: string; readonly first: number; readonly end: number; readonly took: number }[] =
    [];
  /** A second after the one before. */
  now = begin;
  /** Milliseconds of a task. */
  readonly #task: (kernel: string) => number;

  constructor(task: (kernel: string) => number) {
    super({ buffer: new ArrayBuffer(0), grow: () => 0 });
    this.#task = task;
    vi.spyOn(performance, "now").mockImplementation(() => this.now);
  }

  override call(kernel: string, _name: string, values: readonly number[]): void {
    const [first, end] = [values.at(-2)!, values.at(-1)!];
    const took = (end - first) * this.#task(kernel);
    this.now += took;
    this.ranges.push({ kernel, first, end, took });
  }
}

afterEach(() => {
  vi.restoreAllMocks();
  begin += 1000;
});

const call = (kernel: string, tasks: number, work = 1000): Call => ({
  kernel,
  function: "run",
  values: [],
  first: 0,
  end: tasks,
  work,
});

describe("a run in slices", () => {
  it.each([
    ["many short tasks", 1_000_000, 0.0001],
    ["tasks of a millisecond", 200, 1],
    ["tasks that the clock cannot tell", 1000, 0.00001],
  ])("gives way every few milliseconds: %s", async (_, tasks, milliseconds) => {
    const engine = new Slow(() => milliseconds);
    const pace = new Pace();
    let last = engine.now;
    let longest = 0;
    const breathe = async () => {
      longest = Math.max(longest, engine.now - last);
      last = engine.now;
    };
    for (let run = 0; run < 3; run++) await runInSlices(engine, [call("a", tasks), call("b", tasks)], pace, breathe);
    expect(Math.max(longest, engine.now - last)).toBeLessThanOrEqual(TURN + Math.max(milliseconds, 1e-6));
  });

  it("does each task once, in order, whatever a task takes", async () => {
    const engine = new Slow((kernel) => (kernel === "a" ? 3 : 0.01));
    await runInSlices(engine, [call("a", 7), call("b", 5000), call("a", 0)], new Pace(), async () => {});
    for (const [kernel, tasks] of [
      ["a", 7],
      ["b", 5000],
    ] as const) {
      let at = 0;
      for (const range of engine.ranges.filter((each) => each.kernel === kernel)) {
        expect(range.first).toBe(at);
        at = range.end;
      }
      expect(at).toBe(tasks);
    }
  });

  it("goes over to long ranges once it knows what a task takes", async () => {
    const engine = new Slow(() => 0.0001);
    const pace = new Pace();
    for (let run = 0; run < 2; run++) await runInSlices(engine, [call("a", 70_000)], pace, async () => {});
    const { first, end } = engine.ranges.at(-1)!;
    expect([first, end]).toEqual([0, 70_000]); // 7 ms at once
  });

  it("ends where it is told to", async () => {
    const engine = new Slow(() => 1);
    const stop = () => Promise.reject(new Error("stopped"));
    await expect(runInSlices(engine, [call("a", 100)], new Pace(), stop)).rejects.toThrow("stopped");
    expect(engine.now - begin).toBeLessThanOrEqual(TURN + 1);
  });
});
