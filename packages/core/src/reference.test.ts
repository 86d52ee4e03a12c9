import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AbortError, ShapeError, UnsupportedError } from "./ir/errors.ts";
import { graph } from "./ir/graph.ts";
import { type Tensor, tensor, tensorOf } from "./ir/tensor.ts";
import { constant, input, variable } from "./ir/value.ts";
import { resnet } from "./models/resnet.ts";
import { variants } from "./models/variants.ts";
import { add, maxPool2d, relu, sigmoid, softmax } from "./ops/index.ts";
import { reference } from "./reference.ts";

const a = input("a", ["N", 1, 1, 2]);
const b = input("b", ["N", 1, 1, 2]);
const sum = graph({ name: "sum", inputs: { a, b }, outputs: { y: add({ a, b }) } });
const pixels = (n: number, ...data: number[]) => tensor([n, 1, 1, 2], data);

describe("reference", () => {
  it("adds", async () => {
    const executable = await reference.compile(sum);
    const { y } = await executable.run({ a: pixels(1, 1, 2), b: pixels(1, 10, 20) });
    expect(y).toMatchObject({ dtype: "float64", shape: [1, 1, 1, 2], data: Float64Array.of(11, 22) });
  });

  it("names the version of its package", async () => {
    const { version } = JSON.parse(readFileSync(`${import.meta.dirname}/../package.json`, "utf8")) as {
      version: string;
    };
    expect((await reference.describe()).version).toBe(version);
  });

  it("takes any batch where it is open", async () => {
    const executable = await reference.compile(sum);
    const { y } = await executable.run({ a: pixels(2, 1, 2, 3, 4), b: pixels(2, 1, 1, 1, 1) });
    expect(y.shape).toEqual([2, 1, 1, 2]);
  });

  const detached = pixels(1, 1, 2);
  structuredClone(detached.data, { transfer: [detached.data.buffer as ArrayBuffer] });
  it.each<[string, { [name: string]: Tensor }, string]>([
    ["a missing input", { a: pixels(1, 1, 2) }, "run.B1"],
    ["an input too many", { a: pixels(1, 1, 2), b: pixels(1, 1, 2), c: pixels(1, 1, 2) }, "run.B1"],
    ["a misspelt input", { a: pixels(1, 1, 2), B: pixels(1, 1, 2) }, "run.B1"],
    ["no inputs", null as never, "run.B1"],
    ["an input of null", { a: pixels(1, 1, 2), b: null as never }, "run.B1"],
    [
      "an input without a shape",
      { a: pixels(1, 1, 2), b: { dtype: "float32", data: Float32Array.of(1, 2) } as never },
      "run.B2",
    ],
    ["another dtype", { a: pixels(1, 1, 2), b: tensorOf("float64", [1, 1, 1, 2], Float64Array.of(1, 2)) }, "run.B2"],
    ["a detached buffer", { a: pixels(1, 1, 2), b: detached }, "run.B2"],
    ["another shape", { a: pixels(1, 1, 2), b: tensor([1, 1, 2, 1], [1, 2]) }, "run.B3"],
    ["another rank", { a: pixels(1, 1, 2), b: tensor([2], [1, 2]) }, "run.B3"],
    ["two batches", { a: pixels(1, 1, 2), b: pixels(2, 1, 2, 3, 4) }, "run.B3"],
    ["an empty batch", { a: pixels(0), b: pixels(0) }, "run.B3"],
  ])("refuses %s", async (_, inputs, label) => {
    const executable = await reference.compile(sum);
    const run = executable.run(inputs as never);
    await expect(run).rejects.toThrow(ShapeError);
    await expect(run).rejects.toMatchObject({ code: "ShapeError", label });
  });

  it("takes null for no options", async () => {
    const executable = await reference.compile(sum, null as never);
    const inputs = { a: pixels(1, 1, 2), b: pixels(1, 3, 4) };
    expect((await executable.run(inputs, null as never)).y.data).toEqual(Float64Array.of(4, 6));
    expect((await executable.run(inputs, { signal: null } as never)).y.data).toEqual(Float64Array.of(4, 6));
    expect(await executable.read([], null as never)).toEqual({});
  });

  it.each<[string, unknown, string]>([
    ["options that are none", 5, "W1"],
    ["a signal that is none", { signal: new AbortController() }, "W2"],
    ["a callback that is none", { onProgress: "log" }, "W3"],
  ])("refuses %s", async (_, options, label) => {
    const executable = await reference.compile(sum);
    const inputs = { a: pixels(1, 1, 2), b: pixels(1, 1, 2) };
    const refused = (call: string) => ({ code: "ShapeError", label: `${call}.${label}` });
    await expect(executable.run(inputs, options as never)).rejects.toMatchObject(refused("run"));
    await expect(reference.compile(sum, options as never)).rejects.toMatchObject(refused("compile"));
  });

  it.each([null, undefined, 7, "resnet50", {}, { outputs: {} }])("refuses %j for a graph", async (graph) => {
    await expect(reference.compile(graph as never)).rejects.toMatchObject({ label: "compile.G1" });
  });

  it("refuses anything else with a ShapeError", async () => {
    const executable = await reference.compile(sum);
    const junk = fc.anything({ withTypedArray: true, withBigInt: true, withNullPrototype: true });
    const near = fc.record({ dtype: fc.oneof(fc.constant("float32"), junk), shape: junk, data: junk });
    const inputs = fc.oneof(junk, fc.record({ a: fc.oneof(junk, near), b: fc.oneof(junk, near) }));
    await fc.assert(
      fc.asyncProperty(inputs, async (given) => {
        await expect(executable.run(given as never)).rejects.toThrow(ShapeError);
      }),
      { numRuns: 1000 },
    );
    for (const given of [null, undefined, "x", 5, [], () => {}, Symbol("a"), { a: 1n, b: Number.NaN }]) {
      await expect(executable.run(given as never)).rejects.toThrow(ShapeError);
    }
  });

  it("answers NaN where NaN goes in", async () => {
    const executable = await reference.compile(sum);
    const { y } = await executable.run({ a: pixels(1, Number.NaN, 2), b: pixels(1, 1, Infinity) });
    expect([...y.data]).toEqual([Number.NaN, Infinity]);
  });

  it("refuses to run after dispose, which may be called twice", async () => {
    const executable = await reference.compile(sum);
    await executable.dispose();
    await executable.dispose();
    await expect(executable.run({ a: pixels(1, 1, 2), b: pixels(1, 1, 2) })).rejects.toThrow(UnsupportedError);
  });

  it("refuses a graph whose parameters are open", async () => {
    await expect(reference.compile(resnet(variants.resnet18))).rejects.toThrow("102 parameters of resnet18 are open");
  });

  it("refuses to compile once aborted", async () => {
    await expect(reference.compile(sum, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });

  it("stops in mid run", async () => {
    const x = input("x", [1, 64, 56, 56]);
    const deep = Array.from({ length: 40 }).reduce<ReturnType<typeof relu>>(
      (y) => maxPool2d({ x: y }, { window: 3, stride: 1, padding: 1 }),
      relu({ x }),
    );
    const executable = await reference.compile(graph({ name: "deep", inputs: { x }, outputs: { y: deep } }));
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    const run = executable.run(
      { x: tensor([1, 64, 56, 56], new Float32Array(64 * 56 * 56)) },
      { signal: controller.signal },
    );
    await expect(run).rejects.toThrow(AbortError);
    await expect(run).rejects.toMatchObject({ code: "AbortError", cause: new Error("enough") });
  });
});

describe("what PyTorch does with numbers that are none", () => {
  const evaluate = async (y: ReturnType<typeof relu>, x: Tensor<"float32">) => {
    const image = input("x", x.shape);
    const executable = await reference.compile(
      graph({ name: "g", inputs: { x: image }, outputs: { y: { ...y, inputs: { x: image } } } }),
    );
    return [...(await executable.run({ x })).y.data];
  };
  const row = input("x", [1, 1, 1, 3]);
  const given = (...data: number[]) => tensor([1, 1, 1, 3], data);

  it("relu keeps NaN and infinity", async () => {
    expect(await evaluate(relu({ x: row }), given(Number.NaN, Infinity, -Infinity))).toEqual([Number.NaN, Infinity, 0]);
  });

  it("maxPool2d answers NaN wherever it stands in the window", async () => {
    const pool = maxPool2d({ x: row }, { window: [1, 3], stride: 1 });
    for (const data of [
      [Number.NaN, 1, 2],
      [1, Number.NaN, 2],
      [1, 2, Number.NaN],
    ]) {
      expect(await evaluate(pool, given(...data))).toEqual([Number.NaN]);
    }
  });

  it("sigmoid saturates without overflow", async () => {
    expect(await evaluate(sigmoid({ x: row }), given(-1000, 0, 1000))).toEqual([0, 0.5, 1]);
  });

  it("softmax of large numbers stays finite", async () => {
    const pair = input("x", [1, 2]);
    expect(await evaluate(softmax({ x: pair }), tensor([1, 2], [3e38, 3e38]))).toEqual([0.5, 0.5]);
  });
});

describe("variables", () => {
  const image = input("image", ["N", 1, 1, 2]);
  const count = variable("count", tensor([1, 1, 1, 2], [10, 20]));
  const step = constant("step", tensor([1, 1, 1, 2], [1, 2]));
  const counter = graph({
    name: "counter",
    inputs: { image },
    outputs: { count, image },
    updates: [{ variable: count, value: add({ a: count, b: step }) }],
  });

  it("are read as they were before the run, and replaced after it", async () => {
    const executable = await reference.compile(counter);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push([...(await executable.run({ image: pixels(1, 0, 0) })).count.data]);
    expect(answers).toEqual([
      [10, 20],
      [11, 22],
      [12, 24],
    ]);
    expect([...(await executable.read(["count"])).count!.data]).toEqual([13, 26]);
  });

  it("take their updates all at once", async () => {
    const [a, b] = [variable("a", tensor([1], [1])), variable("b", tensor([1], [2]))];
    const updates = [
      { variable: a, value: b },
      { variable: b, value: a },
    ];
    const executable = await reference.compile(graph({ name: "swap", inputs: {}, outputs: {}, updates }));
    await executable.run({});
    const { a: found, b: other } = await executable.read(["a", "b"]);
    expect([found!.data[0], other!.data[0]]).toEqual([2, 1]);
  });

  it("belong to one executable each", async () => {
    const [one, other] = [await reference.compile(counter), await reference.compile(counter)];
    await one.run({ image: pixels(1, 0, 0) });
    expect([...(await other.read(["count"])).count!.data]).toEqual([10, 20]);
  });

  it("stay as they were when a run is aborted", async () => {
    const executable = await reference.compile(counter);
    const controller = new AbortController();
    const running = executable.run({ image: pixels(1, 0, 0) }, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toThrow(AbortError);
    expect([...(await executable.read(["count"])).count!.data]).toEqual([10, 20]);
  });

  it("stay as they were when a run is aborted while it reads a source for its answer", async () => {
    const slow = constant("slow", {
      dtype: "float32",
      shape: [1],
      firstNonFinite: -1,
      read: () => new Promise((resolve) => setTimeout(resolve, 30)),
    });
    const { inputs, updates } = counter;
    const executable = await reference.compile(graph({ name: "slow", inputs, outputs: { slow }, updates }));
    const controller = new AbortController();
    const running = executable.run({ image: pixels(1, 0, 0) }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expect(running).rejects.toThrow(AbortError);
    expect([...(await executable.read(["count"])).count!.data]).toEqual([10, 20]);
  });

  it("are refused by a name that there is none of", async () => {
    const executable = await reference.compile(counter);
    await expect(executable.read(["steps"])).rejects.toThrow("counter has no variable steps; it has count (read.V1)");
    const unchecked: { read(names: unknown): Promise<unknown> } = executable;
    await expect(unchecked.read(null)).rejects.toThrow("expected names in an array, found null (read.V1)");
  });
});
