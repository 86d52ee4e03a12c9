import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { Executable } from "./backend.ts";
import { AbortError, UnsupportedError } from "./ir/errors.ts";
import { graph } from "./ir/graph.ts";
import { tensor } from "./ir/tensor.ts";
import { constant, input, parameter, variable } from "./ir/value.ts";
import { linear, relu } from "./ops/index.ts";
import { backendOf, type LoadedGraph } from "./shell.ts";

const x = input("x", [1, 2]);
const g = graph({ name: "g", inputs: { x }, outputs: { y: relu({ x }) } });

/** Runs that end when they are told to, with what they were given. */
class Slow implements LoadedGraph {
  readonly log: string[] = [];
  readonly waiting: (() => void)[] = [];

  async run({ x }: Parameters<LoadedGraph["run"]>[0]) {
    this.log.push(`begin ${x!.data[0]}`);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.log.push(`end ${x!.data[0]}`);
    return { y: x! };
  }

  async dispose() {
    this.log.push("dispose");
  }

  async next() {
    while (this.waiting.length === 0) await Promise.resolve();
    this.waiting.shift()!();
  }
}

async function compiled(
  options: { overlaps?: boolean } = {},
): Promise<{ slow: Slow; executable: Executable<"x", "y"> }> {
  const slow = new Slow();
  const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: ["float32"] as const });
  const backend = backendOf({ name: "slow", describe, load: async () => slow, ...options });
  return { slow, executable: await backend.compile(g) };
}

const given = (n: number) => ({ x: tensor([1, 2], [n, 0]) });

describe("backendOf", () => {
  it("carries runs out one after the other, in the order of their calls", async () => {
    const { slow, executable } = await compiled();
    const runs = [executable.run(given(1)), executable.run(given(2))];
    await slow.next();
    await slow.next();
    await Promise.all(runs);
    expect(slow.log).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
  });

  it("leaves runs to a runtime that takes several", async () => {
    const { slow, executable } = await compiled({ overlaps: true });
    const runs = [executable.run(given(1)), executable.run(given(2))];
    await slow.next();
    await slow.next();
    await Promise.all(runs);
    expect(slow.log).toEqual(["begin 1", "begin 2", "end 1", "end 2"]);
  });

  it("copies the inputs of runs that wait", async () => {
    const { slow, executable } = await compiled();
    const [first, second] = [given(1), given(2)];
    const runs = [executable.run(first), executable.run(second)];
    second.x.data[0] = 99;
    await slow.next();
    await slow.next();
    await Promise.all(runs);
    expect(slow.log.at(-1)).toBe("end 2");
  });

  it("rejects at once when the signal is aborted; the next run waits for the runtime", async () => {
    const { slow, executable } = await compiled();
    const controller = new AbortController();
    const aborted = executable.run(given(1), { signal: controller.signal });
    const queued = executable.run(given(2), { signal: controller.signal });
    const next = executable.run(given(3));
    while (slow.log.length === 0) await Promise.resolve();
    controller.abort();
    await expect(aborted).rejects.toThrow(AbortError);
    await expect(queued).rejects.toThrow(AbortError);
    expect(slow.log).toEqual(["begin 1"]);
    await slow.next();
    await slow.next();
    await next;
    expect(slow.log).toEqual(["begin 1", "end 1", "begin 3", "end 3"]);
  });

  it("commits a run if its caller gets the answers, and only then", async () => {
    const count = variable("count", tensor([1], [0]));
    const counting = graph({ name: "c", inputs: { x }, outputs: { x }, updates: [{ variable: count, value: count }] });
    for (let ticks = 0; ticks < 24; ticks++) {
      let commits = 0;
      const loaded: LoadedGraph = {
        run: async ({ x }) => ({ x: x! }),
        commit: () => void commits++,
        dispose: async () => {},
      };
      const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: [] });
      const executable = await backendOf({ name: "b", describe, load: async () => loaded }).compile(counting);
      const controller = new AbortController();
      const running = executable.run(given(1), { signal: controller.signal }).then(
        () => 1,
        () => 0,
      );
      for (let i = 0; i < ticks; i++) await Promise.resolve();
      controller.abort();
      expect(commits).toBe(await running);
    }
  });

  it("waits for runs before it disposes, once", async () => {
    const { slow, executable } = await compiled();
    const running = executable.run(given(1));
    const disposing = [executable.dispose(), executable.dispose(), executable[Symbol.asyncDispose]()];
    await expect(executable.run(given(2))).rejects.toThrow("slow: run after dispose; compile the graph again");
    await expect(executable.read([])).rejects.toThrow(UnsupportedError);
    await slow.next();
    await running;
    await Promise.all(disposing);
    expect(slow.log).toEqual(["begin 1", "end 1", "dispose"]);
  });

  it("goes on after a run that fails", async () => {
    let runs = 0;
    const loaded: LoadedGraph = {
      run: async ({ x }) => {
        if (runs++ === 0) throw new UnsupportedError("no");
        return { y: x! };
      },
      dispose: async () => {},
    };
    const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: [] });
    const executable = await backendOf({ name: "b", describe, load: async () => loaded }).compile(g);
    await expect(executable.run(given(1))).rejects.toThrow("no");
    expect((await executable.run(given(2))).y).toEqual(given(2).x);
  });

  it("refuses open parameters before anything is loaded", async () => {
    const open = graph({ name: "open", inputs: { x }, outputs: { y: linear({ x, weight: parameter("w", [3, 2]) }) } });
    const load = () => Promise.reject(new Error("loaded"));
    const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: [] });
    await expect(backendOf({ name: "b", describe, load }).compile(open)).rejects.toThrow(
      "b: 1 parameters of open are open (w, …); bind them first",
    );
  });
});

it("keeps no weights of a graph that its caller has dropped", async () => {
  setFlagsFromString("--expose-gc");
  const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: ["float32"] as const });
  const backend = backendOf({ name: "slow", describe, load: async () => new Slow() });
  const compile = async () => {
    const source = tensor([2, 2], [1, 2, 3, 4]);
    const outputs = { y: linear({ x, weight: constant("weight", source) }) };
    return {
      kept: new WeakRef(source),
      executable: await backend.compile(graph({ name: "g", inputs: { x }, outputs })),
    };
  };
  const { kept, executable } = await compile();
  await new Promise((resolve) => setTimeout(resolve)); // a WeakRef holds its target until the turn ends
  runInNewContext("gc()");
  expect(kept.deref()).toBeUndefined();
  await executable.dispose();
});
