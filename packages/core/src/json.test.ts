import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixtureWeights } from "./fixture.ts";
import { ResidualError } from "./ir/errors.ts";
import { constantsOf, graph } from "./ir/graph.ts";
import { print } from "./ir/print.ts";
import { tensor } from "./ir/tensor.ts";
import { variable } from "./ir/value.ts";
import { fromJson, toJson } from "./json.ts";
import { resnet } from "./models/resnet.ts";
import { variants } from "./models/variants.ts";
import { add } from "./ops/index.ts";
import { ops } from "./ops/nodes.ts";
import { bind } from "./passes/bind.ts";
import { optimize } from "./passes/index.ts";
import { randomGraph } from "./testing/random-graph.ts";

const through = (json: unknown) => fromJson(JSON.parse(JSON.stringify(json)));

describe("JSON", async () => {
  it("round-trips random graphs, with their numbers", async () => {
    await fc.assert(
      fc.asyncProperty(randomGraph, async (graph) => {
        for (const each of [graph, optimize(graph)]) {
          const json = await toJson(each);
          expect(await toJson(through(json))).toEqual(json);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("round-trips variables and their updates", async () => {
    const count = variable("count", tensor([2], [3, 4]));
    const updates = [{ variable: count, value: add({ a: count, b: count }) }];
    const json = await toJson(graph({ name: "counter", inputs: {}, outputs: { count }, updates }));
    const read = through(json);
    expect(await toJson(read)).toEqual(json);
    expect(read.updates[0]).toMatchObject({
      variable: { source: { data: Float32Array.of(3, 4) } },
      value: { op: "add" },
    });
  });

  it.each(Object.keys(variants) as (keyof typeof variants)[])("round-trips %s", async (name) => {
    const graph = resnet(variants[name]);
    expect(print(through(await toJson(graph)))).toBe(print(graph));
  });

  const tiny = await toJson(resnet(variants.pytorch_unit));
  it.each<[string, unknown]>([
    ["no object", 3],
    ["another version", { ...tiny, format: "residual-graph/2" }],
    ["no values", { ...tiny, values: undefined }],
    ["no updates", { ...tiny, updates: undefined }],
    ["an update of a node", { ...tiny, updates: { [tiny.outputs.output!]: tiny.outputs.output } }],
    ["an input that is a node", { ...tiny, inputs: [tiny.outputs.output] }],
    ["a value read before it is defined", { ...tiny, values: [...tiny.values].reverse() }],
    ["a value defined twice", { ...tiny, values: [...tiny.values, tiny.values[0]] }],
    [
      "an unknown op",
      {
        ...tiny,
        values: tiny.values.map((value) => (value.kind === "node" ? { ...value, op: "constructor" } : value)),
      },
    ],
    ["an unknown kind", { ...tiny, values: [{ kind: "magic", name: "m", shape: [1] }, ...tiny.values] }],
    ["an output that is not there", { ...tiny, outputs: { y: "nowhere" } }],
    [
      "a hostile shape",
      {
        ...tiny,
        values: [{ kind: "constant", name: "c", shape: [1e9, 1e9], dtype: "float32", base64: "" }, ...tiny.values],
      },
    ],
    [
      "base64 that is none",
      {
        ...tiny,
        values: [{ kind: "constant", name: "c", shape: [1], dtype: "float32", base64: "%%%" }, ...tiny.values],
      },
    ],
    [
      "an unknown dtype",
      {
        ...tiny,
        values: [{ kind: "constant", name: "c", shape: [1], dtype: "float8", base64: "AAAAAA==" }, ...tiny.values],
      },
    ],
    [
      "an attribute of the wrong kind",
      {
        ...tiny,
        values: tiny.values.map((value) =>
          value.kind === "node" ? { ...value, attributes: { stride: "x", epsilon: "x" } } : value,
        ),
      },
    ],
  ])("refuses %s with a typed error", (_, json) => {
    expect(() => fromJson(json)).toThrow(ResidualError);
  });

  const hostile = [{}, { kernel: null }, { pads: 1, kernel: 1 }, { axes: {} }, { shape: "N" }, { order: [9, 9] }];
  const everyOp = Object.keys(ops).flatMap((op) => hostile.map((attributes) => [op, attributes] as const));
  it.each(everyOp)("refuses %s of inputs and attributes %j with a typed error, or takes them", (op, attributes) => {
    const values = tiny.values.map((value) => (value.kind === "node" ? { ...value, op, attributes } : value));
    let thrown: unknown;
    try {
      fromJson({ ...tiny, values });
    } catch (error) {
      thrown = error;
    }
    expect(thrown === undefined || thrown instanceof ResidualError, String(thrown)).toBe(true);
  });
});

describe("without its numbers", () => {
  const open = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
  const net = bind(open, fixtureWeights(open, "v1"));
  const sources = new Map(constantsOf(net).map(({ name, source }) => [name, source]));

  it("a graph is read with sources for them", async () => {
    const json = await toJson(net, { isHollow: true });
    expect(JSON.stringify(json)).not.toContain("base64");
    expect(await toJson(fromJson(JSON.parse(JSON.stringify(json)), sources))).toEqual(await toJson(net));
  });

  it("it is refused where a source is missing, or has another shape", async () => {
    const json = await toJson(net, { isHollow: true });
    expect(() => fromJson(json)).toThrow("the numbers of conv1.weight are not in it");
    const wrong = new Map(sources).set("conv1.weight", tensor([2], [1, 2]));
    expect(() => fromJson(json, wrong)).toThrow("conv1.weight is [16,3,3,3], and its source [2]");
  });
});
