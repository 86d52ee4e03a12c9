import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixtureWeights } from "./fixture.ts";
import { FormatError, ResidualError, ShapeError } from "./ir/errors.ts";
import { constantsOf, type Graph, graph, valuesOf } from "./ir/graph.ts";
import { print } from "./ir/print.ts";
import { tensor } from "./ir/tensor.ts";
import { variable } from "./ir/value.ts";
import { fromJson, toJson } from "./json.ts";
import { resnet } from "./models/resnet.ts";
import { variants } from "./models/variants.ts";
import { add } from "./ops/index.ts";
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
  ])("refuses %s with a typed error", (_, json) => {
    expect(() => fromJson(json)).toThrow(ResidualError);
  });

  it.each([
    ["another kind", { stride: "22", padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 }, ShapeError],
    ["another number of sides", { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }, ShapeError],
    ["a text for a number", { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: "1" }, ShapeError],
    [
      "a name that the op lacks",
      { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, pads: 1 },
      ShapeError,
    ],
    ["a short form", { stride: 1, padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 }, FormatError],
    ["one left out", { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] }, FormatError],
  ] as const)("refuses attributes of %s", (_, attributes, kind) => {
    const values = tiny.values.map((value) =>
      "op" in value && value.op === "conv2d" ? { ...value, attributes } : value,
    );
    expect(() => fromJson({ ...tiny, values })).toThrow(kind);
  });

  it("refuses an input that an op does not have", () => {
    const values = tiny.values.map((value) =>
      "op" in value && value.op === "relu" ? { ...value, inputs: { ...value.inputs, y: value.inputs.x! } } : value,
    );
    expect(() => fromJson({ ...tiny, values })).toThrow("there is no input y; there are x (relu)");
  });

  it("refuses any change with a typed error, or reads a graph that could have been built", async () => {
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(-1, 0, 0.5, 1e300, "N", "", "constructor", "__proto__", "relu", "conv2d", [], {}, [1, 1], null),
    );
    const bound = (name: "pytorch_unit" | "mlperf_tiny_resnet8") =>
      bind(resnet(variants[name]), fixtureWeights(resnet(variants[name]), "v1"));
    const count = variable("count", tensor([2], [3, 4]));
    const counter = graph({
      name: "counter",
      inputs: {},
      outputs: { count },
      updates: [{ variable: count, value: add({ a: count, b: count }) }],
    });
    const whole = await Promise.all(
      [bound("pytorch_unit"), optimize(bound("pytorch_unit")), counter].map((each) => toJson(each)),
    );
    let read = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(tiny, ...whole),
        fc.infiniteStream(fc.nat()),
        fc.array(junk, { minLength: 1, maxLength: 2 }),
        (json, choices, values) => {
          const next = (below: number) => choices.next().value % below;
          const mutant = values.reduce((given, value) => changed(given, value, next), structuredClone<unknown>(json));
          let graph: Graph;
          try {
            graph = fromJson(mutant);
          } catch (error) {
            expect(error).toBeInstanceOf(ResidualError);
            return;
          }
          read++;
          expect(print(through(JSON.parse(JSON.stringify(mutant))))).toBe(print(graph));
          for (const { shape } of valuesOf(graph)) expect(shape.every((size) => size === "N" || size >= 1)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(20);
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
    expect(() => fromJson(json, wrong)).toThrow("conv1.weight is [16, 3, 3, 3], and its source [2]");
  });
});

/** JSON with one of its parts, however deep, replaced, removed, doubled or renamed. */
function changed(json: unknown, value: unknown, next: (below: number) => number): unknown {
  if (typeof json !== "object" || json === null || Object.keys(json).length === 0) return value;
  const entries: [string, unknown][] = Object.entries(json);
  const at = next(entries.length);
  const [key, old] = entries[at]!;
  const deeper = typeof old === "object" && old !== null && next(8) > 0;
  if (deeper) {
    entries[at] = [key, changed(old, value, next)];
  } else {
    const another: (typeof entries)[] = [
      [[key, value]],
      [],
      [entries[next(entries.length)]!, [key, old]],
      [["x", old]],
    ];
    entries.splice(at, 1, ...another[next(another.length)]!);
  }
  return Array.isArray(json) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
}
