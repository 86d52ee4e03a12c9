import { DeviceLostError } from "@residual/core";
import { wasm } from "@residual/wasm";
import { afterEach, expect, it, vi } from "vitest";
import type { Call } from "../calls.ts";
import { f32, i32 } from "../encode/expression.ts";
import { plainKernel } from "../kernels/kernel.ts";
import { bitsOf, imageOf, residual } from "../testing/graphs.ts";
import type { Job } from "./protocol.ts";
import { TeamRunner } from "./team-runner.ts";
import { Thread } from "./thread.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const target = { instructions: "mul and add", isShared: true } as const;

/** The jobs of one kind that threads are asked to do from now on. */
function jobsOf(kind: Job["kind"]): () => readonly Job[] {
  const asked = vi.spyOn(Thread.prototype, "request");
  return () => asked.mock.calls.map(([, job]) => job).filter((job) => job.kind === kind);
}

/** Adds 1 to the number of each task. */
const count = plainKernel({
  name: "count",
  operands: ["y"],
  tasks: (images) => images,
  work: 1,
  task(body, task, { y }) {
    const at = body.let(i32.add(y, i32.times(task, 4)));
    body.store(at, f32.add(f32.load(at), f32.const(1)));
  },
});

it.each([1, 2, 3, 5])(
  "%d threads do each task of each call once, and no call before the one ahead of it",
  async (threads) => {
    const runner = await TeamRunner.openTeam(target, 1 << 20, { threads, least: threads, code: undefined });
    await runner.add([count]);
    const [address, tasks] = [4096, 5000];
    const call: Call = {
      kernel: "count",
      function: "run",
      values: [address, 0, tasks],
      first: 0,
      end: tasks,
      work: 1e5,
    };
    const calls = Array.from({ length: 200 }, (_, i): Call => ({ ...call, first: (i * 7) % 50 }));
    await runner.run(calls);
    const found = await runner.read(address, tasks);
    const expected = Array.from({ length: tasks }, (_, task) => calls.filter(({ first }) => first <= task).length);
    expect([...found]).toEqual(expected); // two threads at one task would lose an addition now and then
    await runner.close();
  },
);

it("hands on what a call throws, and goes on", async () => {
  const runner = await TeamRunner.openTeam(target, 1 << 20, { threads: 3, least: 3, code: undefined });
  await runner.add([count]);
  const call: Call = { kernel: "count", function: "run", values: [4096, 0, 9], first: 0, end: 9, work: 1 };
  const outside: Call = { ...call, values: [2 ** 31, 0, 9] };
  await expect(runner.run([call, outside, call])).rejects.toThrow("out of bounds");
  await runner.run([call]);
  expect([...(await runner.read(4096, 10))]).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 2, 0]);
  await runner.close();
});

it("takes as few threads as it may for little work", async () => {
  const runner = await TeamRunner.openTeam(target, 1 << 20, { threads: 3, least: 1, code: undefined });
  await runner.add([count]);
  const parts = jobsOf("take part");
  const little: Call = { kernel: "count", function: "run", values: [4096, 0, 9], first: 0, end: 9, work: 1 };
  for (const [work, threads] of [
    [1, 1],
    [1e9, 3],
    [1, 1],
  ] as const) {
    const before = parts().length;
    await runner.run([{ ...little, work }]);
    expect(parts().slice(before)).toEqual(
      Array.from({ length: threads }, (_, index) => ({ kind: "take part", threads, index })),
    );
  }
  expect([...(await runner.read(4096, 10))]).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 3, 0]);
  await runner.close();
});

it("closes what its threads opened, if it is closed while they start", async () => {
  await using _ = await wasm({ threads: 2 }).compile(residual(12)); // it keeps the threads
  const [opened, closed] = [jobsOf("open"), jobsOf("close")];
  const runner = await TeamRunner.openTeam(target, 1 << 20, { threads: 2, least: 2, code: undefined });
  runner.warmUp(1);
  await runner.close();
  expect(opened()).toHaveLength(2);
  expect(closed()).toHaveLength(2);
});

it("is lost with a thread that ends by itself, and all that runs with it; the next compile works", async () => {
  const worker = new URL("../testing/dying-worker.ts", import.meta.url);
  const image = imageOf(1, 12);
  const compile = () => wasm({ threads: 2, worker }).compile(residual(12));
  const [first, second] = [await compile(), await compile()];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, i) => [first, second][i % 2]!.run({ image })),
  );
  const failed = outcomes.filter((each) => each.status === "rejected");
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed) expect(reason).toBeInstanceOf(DeviceLostError);
  await expect(first.run({ image })).rejects.toThrow(/^wasm: a worker thread that runs the model has ended.*again$/);
  await Promise.all([first.dispose(), second.dispose()]);
  await using alone = await wasm({ worker: false }).compile(residual(12));
  await using next = await wasm({ threads: 2 }).compile(residual(12));
  expect(bitsOf((await next.run({ image })).logits)).toEqual(bitsOf((await alone.run({ image })).logits));
});
