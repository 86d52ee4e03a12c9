import {
  applyOp,
  bind,
  fixtureWeights,
  type Graph,
  input,
  type ModelOpName,
  mapValues,
  nodesOf,
  type OpName,
  ops,
  optimize,
  type ResNetSpec,
  reference,
  resnet,
  rewrite,
  variants,
} from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../arithmetic.ts";
import { describeOutcome } from "../check.ts";
import { opNames, suites, trainingOpNames } from "../ops/suites.ts";
import { cutOut, samplesOf } from "../sample.ts";
import { expectationOf, runTrials, type Trial } from "../trial.ts";
import { arbitraryTrial, randomTrials, shrink } from "./random.ts";
import { applications, fused, shallow, sweepTrials } from "./sweep.ts";
import { writtenTrials } from "./written.ts";

async function failuresOf(trials: Iterable<Trial>): Promise<readonly string[]> {
  const failures: string[] = [];
  for await (const outcome of runTrials(reference, trials)) {
    if (!(outcome.share <= 1)) failures.push(describeOutcome(outcome));
  }
  return failures;
}

const everyOp: readonly OpName[] = [...opNames, ...trainingOpNames];

describe("cases by hand", () => {
  it.each(everyOp)("%s has at least four, and their names are unique", (op) => {
    const own = suites[op].byHand.map(({ name }) => name);
    expect(own.length).toBeGreaterThanOrEqual(4);
    expect(new Set(own).size).toBe(own.length);
  });

  it("the reference answers them, and the special values, as worked out", async () => {
    expect(await failuresOf([...writtenTrials("byHand", everyOp), ...writtenTrials("special", everyOp)])).toEqual([]);
  });
});

describe("random trials", () => {
  it.each(opNames)("%s takes all that is drawn for it", async (op) => {
    expect(await failuresOf(randomTrials(op, { seed: 7, runs: 200 }))).toEqual([]);
  });

  it.each(trainingOpNames)("%s takes all that is drawn for it", async (op) => {
    expect(await failuresOf(randomTrials(op, { seed: 7, runs: 40 }))).toEqual([]);
  });

  it.each(everyOp)("%s: attributes of nodes are options that stay as they are", (op) => {
    fc.assert(
      fc.property(arbitraryTrial(op), ({ attributes, inputs }) => {
        const values = mapValues(inputs, ({ shape }, name) => input(name, shape));
        const node = applyOp(op, values, attributes);
        expect(applyOp(op, values, node.attributes)).toEqual(node);
      }),
    );
  });

  it("shrink to the smallest that still shows the mistake", async () => {
    const broken = {
      ...reference,
      compile: (graph: never, work: never) =>
        reference.compile(
          rewrite(graph as Graph, {
            conv2d(conv) {
              const [top, left, bottom, right] = conv.attributes.padding;
              const swapped = [top, right, bottom, left] as const;
              return left > right ? ops.conv2d(conv.inputs, { ...conv.attributes, padding: swapped }) : conv;
            },
          }),
          work,
        ),
    } as typeof reference;
    const smallest = await shrink(broken, "conv2d", { seed: 1, runs: 100 }, float32);
    const { x, weight } = smallest!.trial.inputs;
    expect(smallest!.trial.attributes).toMatchObject({ padding: [0, 1, 0, 0], groups: 1 });
    expect([x!.data.length, weight!.data.length].every((length) => length <= 2)).toBe(true);
    expect(await shrink(reference, "conv2d", { seed: 1, runs: 20 }, float32)).toBeUndefined();
  });
});

describe("samples", () => {
  const cut = opNames.filter((op) => "cut" in suites[op]);

  it.each(cut)("%s: an element cut out is the same as in the whole, and so is its bound", (op) => {
    const property = fc.property(arbitraryTrial(op), (trial) => {
      const whole = expectationOf(trial);
      const samples = samplesOf(whole.shape, 3);
      const part = expectationOf({ ...trial, samples });
      for (const [i, at] of samples.entries()) {
        expect(part.value[i]).toBeCloseTo(whole.value[at]!, 12);
        expect(part.bound[i]! / whole.bound[at]!).toBeCloseTo(1, 9);
      }
    });
    // A bound of 0 requires the exact number.
    fc.assert(op === "maxPool2d" ? exactProperty(op) : property, { numRuns: 60 });
  });

  it("an op that has no rule says so", () => {
    expect(cutOut("relu", {}, {}, [0])).toBeUndefined();
    const [trial] = randomTrials("relu", { seed: 1, runs: 1 });
    expect(() => expectationOf({ ...trial!, samples: [0] })).toThrow("relu has no rule");
  });

  it("hold the corners of the first and last plane, and some more", () => {
    const samples = samplesOf([2, 3, 5, 7], 1);
    for (const corner of [0, 6, 28, 34, 2 * 3 * 35 - 1, 5 * 35, 5 * 35 + 6]) expect(samples).toContain(corner);
    expect(samples.length).toBeGreaterThan(40);
    expect(samplesOf([1, 3], 1)).toEqual([0, 1, 2]);
  });
});

function exactProperty(op: ModelOpName) {
  return fc.property(arbitraryTrial(op), (trial) => {
    const whole = expectationOf(trial);
    const samples = samplesOf(whole.shape, 3);
    expect(expectationOf({ ...trial, samples }).value).toEqual(Float64Array.from(samples, (at) => whole.value[at]!));
  });
}

describe("the sweep", () => {
  const shapesOf = (graph: Graph) =>
    new Set(
      nodesOf(graph).map(({ op, attributes, inputs }) =>
        JSON.stringify([op, attributes, Object.entries(inputs).map(([name, { shape }]) => [name, shape])]),
      ),
    );

  it.each(["resnet50", "seresnext50_32x4d", "cifar_preact20_proj", "resnet50d", "pytorch_tutorial_net"] as const)(
    "%s: two blocks a stage ask for all that the whole network asks for",
    (name) => {
      const spec: ResNetSpec = variants[name];
      const input = [1, 3, 64, 64];
      expect(shapesOf(resnet(shallow(spec), { input }))).toEqual(shapesOf(resnet(spec, { input })));
    },
  );

  it.each(["resnet18", "cifar_preact20", "keras_tutorial_resnet", "resnet10t"] as const)(
    "%s: its fused shapes are those of optimize",
    (name) => {
      const spec: ResNetSpec = variants[name];
      const graph = resnet(spec, { input: [1, 3, 64, 64] });
      expect(shapesOf(fused(graph))).toEqual(shapesOf(optimize(bind(graph, fixtureWeights(graph, "v1")))));
    },
  );

  it("asks for each application once", () => {
    const all = applications("full");
    expect(all.length).toBe(24_836);
    const keys = all.map(({ op, attributes, shapes }) => JSON.stringify([op, attributes, shapes]));
    expect(new Set(keys).size).toBe(all.length);
    for (const batch of [1, 2, 3, 8]) expect(all.some(({ shapes }) => shapes.x![0] === batch)).toBe(true);
  });

  it("has a quick part of every op, with names of their own", () => {
    const trials = [...sweepTrials("quick").trials];
    expect(new Set(trials.map(({ op }) => op)).size).toBe(6);
    expect(new Set(trials.map(({ name }) => name)).size).toBe(trials.length);
  });
});
