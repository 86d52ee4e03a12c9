import { constant, type Graph, graph, input, ops, tensor, UnsupportedError, variable } from "@residual/core";
import { describe, expect, it } from "vitest";
import { backendOn } from "../backend.ts";
import { toOnnx } from "../export.ts";
import { lowerToOnnx } from "../lower.ts";
import { formatModel } from "../print.ts";
import { nodeRuntime } from "./node/runtime.ts";

const one = (value: number) => tensor([1, 1], [value]);
const x = input("x", ["N", 1]);

/** `total` grows by x, which is one image, and answers as it was before. */
function totals(): Graph<"x", "y" | "total"> {
  const image = input("x", [1, 1]);
  const total = variable("total", one(0));
  const next = ops.add({ a: total, b: image });
  return graph({
    name: "totals",
    inputs: { x: image },
    outputs: { y: next, total },
    updates: [{ variable: total, value: next }],
  });
}

/** On the caller's thread, and on a thread of its own. */
const places = { inline: 2 ** 27, threaded: 0 };

describe.each(Object.entries(places))("variables of a session that is %s", (_, mostInline) => {
  const backend = backendOn("onnx", nodeRuntime({ threads: 1 }, { mostInline }));

  it("go from run to run", async () => {
    await using executable = await backend.compile(totals());
    expect([...(await executable.read(["total"])).total!.data]).toEqual([0]);
    for (const [given, before, after] of [
      [1, 0, 1],
      [10, 1, 11],
      [100, 11, 111],
    ] as const) {
      const answer = await executable.run({ x: one(given) });
      expect([answer.total.data[0], answer.y.data[0]]).toEqual([before, after]);
    }
    expect([...(await executable.read(["total"])).total!.data]).toEqual([111]);
  });

  it("leave the tensor that they begin with to the caller", async () => {
    const begin = one(7);
    const kept = variable("kept", begin);
    const made = graph({
      name: "kept",
      inputs: { x },
      outputs: { y: ops.relu({ x }) },
      updates: [{ variable: kept, value: kept }],
    });
    await using executable = await backend.compile(made);
    await executable.run({ x: one(1) });
    const { kept: found } = await executable.read(["kept"]);
    found!.data.fill(9);
    expect([...begin.data]).toEqual([7]);
    expect([...(await executable.read(["kept"])).kept!.data]).toEqual([7]);
  });

  it("without an update are constants that can be read", async () => {
    const fixed = variable("fixed", one(3));
    const image = input("x", [1, 1]);
    const made = graph({ name: "fixed", inputs: { x: image }, outputs: { y: ops.add({ a: image, b: fixed }) } });
    await using executable = await backend.compile(made);
    expect((await executable.run({ x: one(4) })).y.data[0]).toBe(7);
    expect((await executable.read(["fixed"])).fixed).toEqual(one(3));
  });

  it("are as before where a run was aborted, whenever that was", async () => {
    await using executable = await backend.compile(totals());
    for (let turns = 0; turns < 12; turns++) {
      const before = (await executable.read(["total"])).total!.data[0]!;
      const controller = new AbortController();
      const running = executable.run({ x: one(1) }, { signal: controller.signal }).then(
        () => 1,
        () => 0,
      );
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      const counted = await running;
      expect((await executable.read(["total"])).total!.data[0]).toBe(before + counted);
    }
  });
});

describe("a model of a graph with variables", () => {
  it("has an input and an output for each", () => {
    expect(formatModel(lowerToOnnx(totals()))).toMatchInlineSnapshot(`
      "totals (x: 1×1, total: 1×1) -> (y: 1×1, total: 1×1, add: 1×1)
      add = Add(total, x)
      y = Identity(add)"
    `);
  });

  it("takes an update that is no output as it is", () => {
    const [a, b] = [variable("a", one(1)), variable("b", one(2))];
    const sum = ops.add({ a, b });
    const updates = [
      { variable: a, value: sum },
      { variable: b, value: sum },
    ];
    const made = graph({ name: "sums", inputs: { x }, outputs: { y: ops.relu({ x }) }, updates });
    expect(formatModel(lowerToOnnx(made))).toMatchInlineSnapshot(`
      "sums (x: N×1, a: 1×1, b: 1×1) -> (y: N×1, add: 1×1, b/next: 1×1)
      relu = Relu(x)
      add = Add(a, b)
      y = Identity(relu)
      b/next = Identity(add)"
    `);
  });

  it("names a variable anew where another value's output has its name", async () => {
    const count = variable("count", one(1));
    const next = ops.add({ a: count, b: constant("step", one(1)) });
    const image = input("x", [1, 1]);
    const made = graph({
      name: "count",
      inputs: { x: image },
      outputs: { count: next, y: ops.add({ a: image, b: count }) },
      updates: [{ variable: count, value: next }],
    });
    await using executable = await backendOn("onnx", nodeRuntime({ threads: 1 })).compile(made);
    await executable.run({ x: one(0) });
    const answer = await executable.run({ x: one(0) });
    expect([answer.count.data[0], answer.y.data[0]]).toEqual([3, 2]);
    expect((await executable.read(["count"])).count!.data[0]).toBe(3);
  });

  it("is refused as a file", async () => {
    await expect(toOnnx(totals())).rejects.toThrow(UnsupportedError);
    await expect(toOnnx(totals())).rejects.toThrow("total of totals changes with each run");
  });
});
