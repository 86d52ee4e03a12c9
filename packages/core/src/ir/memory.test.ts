import { afterEach, expect, it, vi } from "vitest";
import { fixtureInput } from "../fixture.ts";
import { ops } from "../ops/nodes.ts";
import { reference } from "../reference.ts";
import { backendOf, type LoadedGraph } from "../shell.ts";
import { OutOfMemoryError } from "./errors.ts";
import { graph } from "./graph.ts";
import { checkMemory, memoryError } from "./memory.ts";
import { tensor } from "./tensor.ts";
import { input, type Value } from "./value.ts";

afterEach(() => vi.restoreAllMocks());

it("refuses what is larger than all memory, and says how much it would take", () => {
  vi.spyOn(process, "constrainedMemory").mockReturnValue(2e9);
  checkMemory(1.9e9, "a run", "take a smaller batch");
  const refusal = () => checkMemory(2.51e9, "a run", "take a smaller batch");
  expect(refusal).toThrow(OutOfMemoryError);
  expect(refusal).toThrow("a run needs 2.51 GB, this process can have 2.00 GB; take a smaller batch");
  vi.spyOn(process, "constrainedMemory").mockReturnValue(0); // no limit: the machine's memory counts
  expect(() => checkMemory(1e18, "a run", "take a smaller batch")).toThrow("a run needs 1.00 EB");
});

it("is said by a RangeError where the platform does not tell", () => {
  const allocate = () => new Float64Array(2 ** 52);
  expect(allocate).toThrow(RangeError);
  try {
    allocate();
  } catch (error) {
    expect(memoryError(error, "a run", "take a smaller batch")).toBeInstanceOf(OutOfMemoryError);
  }
  const other = new TypeError("no");
  expect(memoryError(other, "a run", "")).toBe(other);
});

const x = input("x", ["N", 1, 1, 1]);
const wide = graph({ name: "wide", inputs: { x }, outputs: { y: ops.padChannels({ x }, { after: 2 ** 42 }) } });

it("the reference refuses a run before it allocates", async () => {
  await using executable = await reference.compile(wide);
  const run = executable.run({ x: tensor([1, 1, 1, 1], [1]) });
  await expect(run).rejects.toThrow(OutOfMemoryError);
  await expect(run).rejects.toThrow(
    /^reference: a run of wide on x 1×1×1×1 needs 17\.6 TB, .*; take a smaller batch or image$/,
  );
});

it("every backend refuses values that no memory holds", async () => {
  const describe = async () => ({ library: "none", version: "0", device: "cpu", dtypes: ["float32"] as const });
  const loaded: LoadedGraph<"float32"> = { run: async () => ({ y: tensor([1], [1]) }), dispose: async () => {} };
  await using executable = await backendOf({ name: "mine", describe, load: async () => loaded }).compile(wide);
  const run = executable.run({ x: tensor([1, 1, 1, 1], [1]) });
  await expect(run).rejects.toThrow(OutOfMemoryError);
  await expect(run).rejects.toThrow("mine: a run of wide on x 1×1×1×1 needs 17.6 TB");
});

it("the reference says so where an allocation fails", async () => {
  vi.spyOn(process, "constrainedMemory").mockReturnValue(Infinity);
  vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
  await using executable = await reference.compile(wide);
  const run = executable.run({ x: tensor([1, 1, 1, 1], [1]) });
  await expect(run).rejects.toThrow(OutOfMemoryError);
  await expect(run).rejects.toThrow("padChannels in a run of wide on x 1×1×1×1 does not fit into memory");
});

it("a fixture of an absurd shape is refused", () => {
  expect(() => fixtureInput("v1", [100_000_000_000, 3, 1, 1])).toThrow(OutOfMemoryError);
  expect(() => fixtureInput("v1", [1e15, 3, 1e9, 1])).toThrow("take a smaller shape");
});

it("values that are spent make room", async () => {
  vi.spyOn(process, "constrainedMemory").mockReturnValue(170e6);
  const y = Array.from({ length: 5 }).reduce<Value>((value) => ops.relu({ x: value }), x);
  await using executable = await reference.compile(graph({ name: "chain", inputs: { x }, outputs: { y } }));
  const of = (batch: number) => ({ x: tensor([batch, 1, 1, 1], new Float32Array(batch)) });
  // two values of 80 MB at a time
  expect((await executable.run(of(10_000_000))).y.shape).toEqual([10_000_000, 1, 1, 1]);
  await expect(executable.run(of(11_000_000))).rejects.toThrow(OutOfMemoryError);
});
