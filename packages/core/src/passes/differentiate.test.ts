import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fill, fixtureWeights } from "../fixture.ts";
import { ShapeError, UnsupportedError } from "../ir/errors.ts";
import { type Graph, graph, nodesOf, parametersOf, valuesOf } from "../ir/graph.ts";
import { print } from "../ir/print.ts";
import { type Tensor, tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { constant, input, named, type Value, variable } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { add, batchMean, batchNorm, batchVariance, conv2d, linear, relu, sum, times } from "../ops/index.ts";
import { is, ops } from "../ops/nodes.ts";
import { reference } from "../reference.ts";
import { evaluate } from "../testing/evaluate.ts";
import { expectClose } from "../testing/expect-close.ts";
import { randomGraph, randomImage } from "../testing/random-graph.ts";
import { bind } from "./bind.ts";
import { differentiate } from "./differentiate.ts";
import { fuseEpilogues } from "./fuse-epilogues.ts";
import { select } from "./select.ts";
import { trainable } from "./trainable.ts";

const x = input("x", [2]);
const numbers = (shape: readonly number[], data: readonly number[]) => toFloat64(tensor(shape, data));

/** loss = Σ (x·w + x)·w: by w, 2·x·w + x; by x, w² + w. */
function shared(): Graph<"x", "loss"> {
  const w = variable("w", tensor([2], [3, 5]));
  const inner = named("inner", add({ a: named("product", times({ a: x, b: w })), b: x }));
  const loss = named("loss", ops.reshape({ x: sum({ x: times({ a: inner, b: w }) }, { axes: [0] }) }, { shape: [] }));
  return graph({ name: "shared", inputs: { x }, outputs: { loss } });
}

describe("a value that is read more than once", () => {
  it("sums its gradients", () => {
    const found = evaluate(differentiate(shared(), { of: "loss", by: ["w", "x", "inner"] }), {
      x: numbers([2], [7, 11]),
    });
    expect([...found["w.gradient"]!.data]).toEqual([2 * 7 * 3 + 7, 2 * 11 * 5 + 11]);
    expect([...found["x.gradient"]!.data]).toEqual([9 + 3, 25 + 5]);
    expect([...found["inner.gradient"]!.data]).toEqual([3, 5]);
    expect([...found.loss!.data]).toEqual([(7 * 3 + 7) * 3 + (11 * 5 + 11) * 5]);
  });

  it("prints under the names of values and their readers", () => {
    expect(print(differentiate(shared(), { of: "loss", by: ["w"] }))).toBe(
      [
        "graph shared (x: 2) -> (loss: scalar, w.gradient: 2)",
        "  product : 2 = times(a: x, b: w)",
        "  inner : 2 = add(a: product, b: x)",
        "  times : 2 = times(a: inner, b: w)",
        "  sum : 1 = sum(x: times) {axes [0]}",
        "  loss : scalar = reshape(x: sum) {shape []}",
        "  sum.gradient : 1 = reshape(x: one = scalar) {shape [1]}",
        "  times.gradient : 2 = expand(x: sum.gradient) {shape [2]}",
        "  times.b.gradient : 2 = times(a: times.gradient, b: inner)",
        "  inner.gradient : 2 = times(a: times.gradient, b: w)",
        "  product.b.gradient : 2 = times(a: inner.gradient, b: x)",
        "  w.gradient : 2 = add(a: times.b.gradient, b: product.b.gradient)",
      ].join("\n"),
    );
  });

  it("may be read twice by one node, or by a composite", () => {
    const square = times({ a: x, b: x });
    const loss = ops.meanSquaredError({ x: square, target: x });
    const made = graph({ name: "g", inputs: { x }, outputs: { loss } });
    const found = evaluate(differentiate(made as Graph, { of: "loss", by: ["x"] }), { x: numbers([2], [2, -3]) });
    // d ½ Σ (x² − x)² = (x² − x)(2x − 1)
    expect([...found["x.gradient"]!.data]).toEqual([2 * 3, 12 * -7]);
  });
});

it("keeps the graph: its nodes, names, updates and outputs", () => {
  const w = variable("w", tensor([2], [1, 2]));
  const y = named("y", times({ a: x, b: w }));
  const made = graph({
    name: "g",
    inputs: { x },
    outputs: { y },
    aliases: { stage: "y" },
    updates: [{ variable: w, value: y }],
  });
  const { outputs, updates, aliases } = differentiate(made as Graph, { of: "y", by: ["x"], seed: "dy" });
  expect(outputs.y).toBe(made.outputs.y);
  expect(updates).toEqual(made.updates);
  expect(aliases).toEqual({ stage: "y" });
});

it("differentiates twice, for two values, in one graph", () => {
  const pad = ops.zeroPad2d({ x: input("image", [1, 1, 2, 2]) }, { padding: 1 });
  const positive = relu({ x: pad });
  const made: Graph = graph({
    name: "g",
    inputs: { image: pad.inputs.x as ReturnType<typeof input> },
    outputs: { a: ops.sumOfSquares({ x: positive }), b: ops.sumOfSquares({ x: pad }) },
  });
  const first = differentiate(made, { of: "a", by: ["image"] });
  const { "image.gradient": ofA, ...outputs } = first.outputs;
  const second = differentiate({ ...first, outputs: { ...outputs, ofA } } as Graph, { of: "b", by: ["image"] });
  const found = evaluate(second, { image: numbers([1, 1, 2, 2], [1, -2, 3, -4]) });
  expect([...found.ofA!.data]).toEqual([2, 0, 6, 0]);
  expect([...found["image.gradient"]!.data]).toEqual([2, -4, 6, -8]);
  expect(new Set(valuesOf(second).map(({ name }) => name)).size).toBe(valuesOf(second).length);
});

describe("a seed", () => {
  const w = variable("w", tensor([3, 2], [1, 2, 3, 4, 5, 6]));
  const row = input("x", ["N", 2]);
  const net = graph({
    name: "g",
    inputs: { x: row },
    outputs: { y: named("y", linear({ x: row, weight: w })) },
  }) as Graph;

  it("is an input that weights the outputs, and leaves the batch open", () => {
    const made = differentiate(net, { of: "y", by: ["x", "w"], seed: "class" });
    expect(made.inputs.class?.shape).toEqual(["N", 3]);
    const found = evaluate(made, { x: numbers([2, 2], [1, 2, 3, 4]), class: numbers([2, 3], [0, 1, 0, 1, 0, 0]) });
    expect([...found["x.gradient"]!.data]).toEqual([3, 4, 1, 2]);
    expect([...found["w.gradient"]!.data]).toEqual([3, 4, 1, 2, 0, 0]);
  });

  it("may be an input that the graph has", () => {
    const dy = input("dy", ["N", 3]);
    const y = add({ a: linear({ x: row, weight: w }), b: dy });
    const made = graph({ name: "g", inputs: { x: row, dy }, outputs: { y } }) as Graph;
    expect(Object.keys(differentiate(made, { of: "y", by: ["x"], seed: "dy" }).inputs)).toEqual(["x", "dy"]);
    expect(() => differentiate(made, { of: "y", by: ["x"], seed: "x" })).toThrow(/x is N×2, expected N×3.*D2/);
  });
});

describe("is refused", () => {
  const net = shared() as Graph;

  it.each([
    ["D1", () => differentiate(net, { of: "los", by: ["w"] }), "nearest are loss, "],
    ["D1", () => differentiate(net, { of: "loss", by: ["constructor"] }), "no value constructor"],
    ["D2", () => differentiate(net, { of: "inner", by: ["w"] }), "inner is 2, expected a scalar"],
    ["D3", () => differentiate(net, { of: "inner", by: ["loss"], seed: "dy" }), "does not depend on loss"],
  ])("under %s", (label, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
    expect(call).toThrow(`(differentiate.${label})`);
  });

  it("under D4 for a sum over an open batch", () => {
    const open = input("x", ["N", 2]);
    const loss = ops.reshape({ x: sum({ x: open }, { axes: [0, 1] }) }, { shape: [] });
    const made = graph({ name: "g", inputs: { x: open }, outputs: { loss } }) as Graph;
    expect(() => differentiate(made, { of: "loss", by: ["x"] })).toThrow(/closeBatch \(differentiate\.D4\)$/);
  });

  it("for a second derivative that no op states, by the op's name", () => {
    const once = differentiate(graph({ name: "g", inputs: { x }, outputs: { y: named("y", relu({ x })) } }) as Graph, {
      of: "y",
      by: ["x"],
      seed: "dy",
    });
    const twice = () => differentiate(once, { of: "x.gradient", by: ["dy"], seed: "d2" });
    expect(twice).toThrow(UnsupportedError);
    expect(twice).toThrow("reluGradient (x.gradient) has no gradient");
  });
});

describe("a batch norm in training", () => {
  const shape = [3, 2, 4, 5];
  const image = input("x", shape);
  const vector = (name: string) => variable(name, fill("norm", name, [2], 0.5, 1.5));
  const made = (): Graph => {
    const mean = named("mean", batchMean({ x: image }));
    const variance = named("variance", batchVariance({ x: image, mean }));
    const norm = named("norm", batchNorm({ x: image, scale: vector("scale"), shift: vector("shift"), mean, variance }));
    return graph({ name: "g", inputs: { x: image }, outputs: { norm } });
  };
  const tensors = { x: toFloat64(fill("norm", "x", shape, 10, 12)), dy: toFloat64(fill("norm", "dy", shape, -1, 1)) };

  it("gets the closed form, which is what the chain rule gives", () => {
    const by = ["x", "scale", "shift"];
    const closed = differentiate(made(), { of: "norm", by, seed: "dy" });
    // with the statistics among the targets, their gradients are needed one by one
    const chained = differentiate(made(), { of: "norm", by: [...by, "mean", "variance"], seed: "dy" });
    const opsIn = (graph: Graph) => nodesOf(graph).map(({ op }) => op);
    expect(opsIn(closed)).toContain("batchNormInputGradient");
    expect(opsIn(chained)).not.toContain("batchNormInputGradient");
    const [a, b] = [evaluate(closed, tensors), evaluate(chained, tensors)];
    for (const name of by) expectClose(a[`${name}.gradient`]!, b[`${name}.gradient`]!, 1e-12);
  });

  it("has no closed form for other statistics", () => {
    const other = batchMean({ x: image });
    const variance = batchVariance({ x: image, mean: batchMean({ x: image }) });
    const norm = batchNorm({ x: image, scale: vector("scale"), shift: vector("shift"), mean: other, variance });
    const graphOf = graph({ name: "g", inputs: { x: image }, outputs: { norm } }) as Graph;
    const found = differentiate(graphOf, { of: "norm", by: ["x"], seed: "dy" });
    expect(nodesOf(found).map(({ op }) => op)).not.toContain("batchNormInputGradient");
    const expected = differentiate(made(), { of: "norm", by: ["x"], seed: "dy" });
    expectClose(evaluate(found, tensors)["x.gradient"]!, evaluate(expected, tensors)["x.gradient"]!, 1e-12);
  });
});

/** Σ dy · y of the outputs of a graph. */
function weighted(source: Graph, image: Tensor<"float64">, dy: readonly Tensor<"float64">[]): number {
  const outputs = Object.values(evaluate(source, { image }));
  return outputs.reduce(
    (sum, { data }, i) => sum + data.reduce((all, value, k) => all + value * dy[i]!.data[k]!, 0),
    0,
  );
}

it("agrees with finite differences on random graphs, in training or not, fused or not", () => {
  fc.assert(
    fc.property(randomGraph, fc.boolean(), fc.boolean(), (random, isTraining, isFused) => {
      const training = isTraining ? trainable(random, { batch: 2 }) : random;
      const made = isFused ? fuseEpilogues(training) : training;
      // one output, so that one seed weights all there is
      const of = Object.keys(made.outputs)[0]!;
      const single = { ...made, outputs: { [of]: made.outputs[of]! }, updates: [] };
      const image = toFloat64(randomImage(2));
      const y = evaluate(single, { image })[of]!;
      const dy = toFloat64(fill("dy", "dy", y.shape, -1, 1));
      const direction = fill("direction", "image", image.shape, -1, 1).data;
      const backward = () => differentiate(single, { of, by: ["image"], seed: "dy" });
      const depends = valuesOf(single).some(({ name }) => name === "image") && dependsOn(single.outputs[of]!, "image");
      if (!depends) {
        expect(backward).toThrow("differentiate.D3");
        return;
      }
      const found = evaluate(backward(), { image, dy })["image.gradient"]!;
      const slope = found.data.reduce((sum, value, i) => sum + value * direction[i]!, 0);
      const at = (h: number) =>
        weighted(
          single,
          tensorOf(
            "float64",
            image.shape,
            image.data.map((value, i) => value + h * direction[i]!),
          ),
          [dy],
        );
      // a kink between the two points shows as a difference between the two sides
      const h = 1e-6;
      const [before, here, after] = [at(-h), at(0), at(h)];
      const scale = 1 + Math.abs(here) + Math.abs(slope) + dy.data.length;
      const isSmooth = Math.abs(after - 2 * here + before) / h < 1e-5 * scale;
      fc.pre(isSmooth);
      expect(Math.abs((after - before) / (2 * h) - slope) / scale).toBeLessThan(1e-5);
    }),
    { numRuns: 200 },
  );
});

function dependsOn(value: Value, name: string): boolean {
  return (
    value.name === name || (value.kind === "node" && Object.values(value.inputs).some((each) => dependsOn(each, name)))
  );
}

describe("second uses", () => {
  const open = resnet({ ...variants.cifar_resnet20, depths: [1, 1, 1] }, { input: [2, 3, 16, 16] });
  const bound = bind(open, fixtureWeights(open, "v1")) as Graph;
  const image = toFloat64(fill("v1", "picture", [2, 3, 16, 16], -1, 1));
  const direction = numbers(
    [2, 10],
    Array.from({ length: 20 }, (_, i) => (i % 10 === 3 ? 1 : 0)),
  );

  it("Grad-CAM: the weights of the last features are those of the classifier, divided by their pixels", () => {
    const graphOf = differentiate(bound, { of: "logits", by: ["layer3"], seed: "class" });
    const gradient = evaluate(graphOf, { image, class: direction })["layer3.gradient"]!;
    const classifier = bound.outputs.logits;
    const weight = is(classifier, "linear") ? classifier.inputs.weight : undefined;
    const { data } = (weight as ReturnType<typeof constant>).source as Tensor<"float32">;
    const [, channels = 0, h = 0, w = 0] = gradient.shape;
    for (const [i, value] of gradient.data.entries()) {
      const channel = Math.floor(i / (h * w)) % channels;
      expect(value).toBeCloseTo(data[3 * channels + channel]! / (h * w), 12);
    }
  });

  it("gradient ascent on the image raises its class", async () => {
    const ascent = differentiate(bound, { of: "logits", by: ["image"], seed: "class" });
    await using executable = await reference.compile(select(ascent, ["logits", "image.gradient"]));
    let picture = fill("v1", "picture", [2, 3, 16, 16], -1, 1);
    const scores: number[] = [];
    const seed = tensorOf("float32", direction.shape, Float32Array.from(direction.data));
    for (let step = 0; step < 4; step++) {
      const { logits, "image.gradient": gradient } = await executable.run({ image: picture, class: seed });
      scores.push(logits.data[3]!);
      const data = picture.data.map((value, i) => value + 0.1 * gradient.data[i]!);
      picture = tensorOf("float32", picture.shape, data);
    }
    for (const [i, score] of scores.slice(1).entries()) expect(score).toBeGreaterThan(scores[i]!);
  });
});

it("works on a graph with open parameters, by their names", () => {
  const open = resnet(variants.resnet50) as Graph;
  const by = parametersOf(open).flatMap(({ name }) => (/running/.test(name) ? [] : [name]));
  const made = differentiate(open, { of: "logits", by, seed: "class" });
  for (const { name, shape } of parametersOf(open))
    if (by.includes(name)) expect(made.outputs[`${name}.gradient`]?.shape).toEqual(shape);
  expect(new Set(valuesOf(made).map(({ name }) => name)).size).toBe(valuesOf(made).length);
});

it("a convolution by its constant weight", () => {
  const weight = constant("kernel", tensor([1, 1, 1, 1], [2]));
  const image = input("image", ["N", 1, 2, 2]);
  const made = graph({ name: "g", inputs: { image }, outputs: { y: conv2d({ x: image, weight }) } }) as Graph;
  const found = evaluate(differentiate(made, { of: "y", by: ["kernel"], seed: "dy" }), {
    image: numbers([1, 1, 2, 2], [1, 2, 3, 4]),
    dy: numbers([1, 1, 2, 2], [1, 0, 0, 10]),
  });
  expect([...found["kernel.gradient"]!.data]).toEqual([41]);
});
