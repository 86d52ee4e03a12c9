import { readdirSync } from "node:fs";
import { graph, input, ops, type Tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inChildProcess } from "../index.ts";
import { readTensors, SharedMemory } from "./shared-memory.ts";

const filled = (size: number, value: number): Tensor<"float32"> =>
  tensorOf("float32", [size], new Float32Array(size).fill(value));

describe.runIf(process.platform === "linux")("shared memory", () => {
  it("keeps each tensor until it is freed, in any order, and passes on what has no room", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4_000_000 }), { minLength: 8, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat()), (given, picks) => {
        const memory = SharedMemory.open()!;
        const open = new Map<number, ReturnType<SharedMemory["place"]>>();
        const free = () => {
          const [value] = [...open.keys()].slice(picks.next().value % open.size);
          const { sent, free } = open.get(value!)!;
          const { x } = readTensors(sent, memory.fd);
          expect([x!.shape, x!.data.every((each) => each === value)]).toEqual([[given[value!]], true]);
          free();
          open.delete(value!);
        };
        for (const [index, size] of given.entries()) {
          open.set(index, memory.place({ x: filled(size, index) }));
          if (open.size > 6) free();
        }
        while (open.size > 0) free();
        memory.close();
      }),
      { numRuns: 5 },
    );
  });

  it("has no name in /dev/shm", () => {
    const memory = SharedMemory.open()!;
    memory.place({ x: filled(1e6, 1) });
    expect(readdirSync("/dev/shm").filter((name) => name.startsWith(`residual-${process.pid}-`))).toEqual([]);
    memory.close();
  });
});

it("brings large inputs to the child unchanged, in calls that overlap, are aborted, and exceed its room", async () => {
  const x = input("x", ["N", 1 << 20]);
  const double = graph({ name: "double", inputs: { x }, outputs: { y: ops.add({ a: x, b: x }) } });
  await using executable = await inChildProcess("onnx").compile(double);
  const runs = Array.from({ length: 12 }, async (_, index) => {
    const controller = new AbortController();
    const rows = 1 + (index % 3);
    const given = tensorOf("float32", [rows, 1 << 20], new Float32Array(rows << 20).fill(index));
    const running = executable.run({ x: given }, { signal: controller.signal });
    if (index % 5 !== 1) return running;
    controller.abort();
    return running.catch(() => undefined);
  });
  for (const [index, found] of (await Promise.all(runs)).entries())
    expect(found?.y.data.every((value: number) => value === 2 * index)).toBe(index % 5 === 1 ? undefined : true);
});
