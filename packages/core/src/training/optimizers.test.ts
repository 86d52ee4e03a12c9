import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../ir/errors.ts";
import { type Graph, graph, variablesOf } from "../ir/graph.ts";
import { sizeOf, type Tensor, tensor, tensorOf } from "../ir/tensor.ts";
import { type AnyNode, constant, type Value, variable } from "../ir/value.ts";
import { add, affine, reshape, sum, times } from "../ops/index.ts";
import { differentiate } from "../passes/differentiate.ts";
import { reference } from "../reference.ts";
import { evaluate } from "../testing/evaluate.ts";
import { expectClose } from "../testing/expect-close.ts";
import { opGoldens, tensorsOf } from "../testing/goldens.ts";
import { adamw, type Optimizer, sgd } from "./optimizers.ts";
import { losses, trainingStep } from "./training-step.ts";

type States = readonly (readonly (readonly number[])[])[];

/** What PyTorch gives. Source: fixtures/make.py. */
const recorded = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/optimizers.json`, "utf8")) as {
  readonly [name: string]: unknown;
};

const shapes = [[3, 4], [5]] as const;

function numbers(shape: readonly number[], of: (i: number) => number): Tensor<"float64"> {
  return tensorOf(
    "float64",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => of(i)),
  );
}

/** The sum of all elements. */
function total(x: Value): AnyNode {
  return reshape({ x: sum({ x }, { axes: x.shape.map((_, axis) => axis) }) }, { shape: [] });
}

/** Polynomials that are 1 at step k and 0 at the other two of three steps: a, b and c of a·k² + b·k + c. */
const polynomials = [
  [0.5, -1.5, 1],
  [-1, 2, 0],
  [0.5, -0.5, 0],
] as const;

/** A network whose output has the gradients g0, g1 and g2 by its parameters p0, p1, … in the first three steps. */
function networkOf(
  parameters: readonly Tensor<"float64">[],
  gradients: readonly (readonly Tensor<"float64">[])[],
): Graph<never, "logits"> {
  const step = variable(
    "k",
    numbers([], () => 0),
  );
  const square = times({ a: step, b: step });
  const terms = parameters.flatMap((source, t) => {
    const parameter = variable(`p${t}`, source);
    return gradients.map((each, k) => {
      const [a, b, c] = polynomials[k]!;
      const isNow = add({ a: affine({ x: square }, { factor: a }), b: affine({ x: step }, { factor: b, offset: c }) });
      return times({ a: total(times({ a: constant(`g${k}.${t}`, each[t]!), b: parameter })), b: isNow });
    });
  });
  const logits = terms.reduce((a, b) => add({ a, b }));
  const updates = [{ variable: step, value: affine({ x: step }, { offset: 1 }) }];
  return graph({ name: "given", inputs: {}, outputs: { logits }, updates });
}

/** The parameters after each of three steps. The rate is a factor of 1, since an input in float32 is not 0.1. */
async function statesOf(
  network: Graph<never, "logits">,
  { optimizer, rate, clip }: Case,
): Promise<readonly (readonly Tensor<"float64">[])[]> {
  const names = variablesOf(network).flatMap(({ name }) => (name === "k" ? [] : [name]));
  const step = trainingStep(network, {
    loss: (prediction) => affine({ x: prediction }),
    optimizer,
    rates: Object.fromEntries(names.map((name) => [name, rate])),
    ...(clip !== undefined && { clip }),
  });
  const executable = await reference.compile(step);
  const states: Tensor<"float64">[][] = [];
  for (const _ of polynomials) {
    await executable.run({ target: tensor([], [0]), learningRate: tensor([], [1]) });
    const state = await executable.read(names);
    states.push(names.map((name) => state[name]!));
  }
  return states;
}

interface Case {
  readonly optimizer: Optimizer;
  readonly rate: number;
  readonly clip?: number;
}

const cases: { readonly [name: string]: Case } = {
  adamw: { optimizer: adamw({ weightDecay: 0.1, decayAll: true }), rate: 0.01 },
  "adamw, other betas": { optimizer: adamw({ betas: [0.5, 0.75], epsilon: 0.01 }), rate: 0.5 },
  adam: { optimizer: adamw({ weightDecay: 0.1, decayAll: true, coupled: true }), rate: 0.01 },
  sgd: { optimizer: sgd({ momentum: 0, weightDecay: 0.1, decayAll: true, coupled: true }), rate: 0.1 },
  "sgd, momentum": { optimizer: sgd({ weightDecay: 0.1, decayAll: true, coupled: true }), rate: 0.1 },
  "sgd, nesterov": { optimizer: sgd({ weightDecay: 0.1, decayAll: true, coupled: true, nesterov: true }), rate: 0.1 },
  "sgd, clipped": { optimizer: sgd(), rate: 0.1, clip: 1 },
  "sgd, not clipped": { optimizer: sgd(), rate: 0.1, clip: 1000 },
  "adamw, clipped": { optimizer: adamw({ weightDecay: 0.1, decayAll: true }), rate: 0.01, clip: 0.5 },
};

describe("three steps agree with PyTorch's", () => {
  const parameters = shapes.map((shape, t) => numbers(shape, (i) => Math.sin(i + t)));
  const gradients = [0, 1, 2].map((k) => shapes.map((shape, t) => numbers(shape, (i) => Math.cos(3 * i + k + t))));

  it.each(Object.entries(cases))("%s", async (name, settings) => {
    const states = await statesOf(networkOf(parameters, gradients), settings);
    for (const [k, state] of (recorded[name] as States).entries())
      for (const [t, data] of state.entries()) expectClose(states[k]![t]!, { shape: shapes[t]!, data }, 1e-12);
  });

  it.each(opGoldens("sgd").map((golden) => [golden.id, golden] as const))("%s", async (_, golden) => {
    const { p, g0, g1, g2, ...states } = tensorsOf(golden);
    const { lr, momentum, weightDecay, nesterov } = golden.attrs as unknown as {
      readonly [name in "lr" | "momentum" | "weightDecay"]: number;
    } & { readonly nesterov: boolean };
    const optimizer = sgd({ momentum, nesterov, weightDecay, coupled: true, decayAll: true });
    const found = await statesOf(networkOf([p!], [[g0!], [g1!], [g2!]]), { optimizer, rate: lr });
    for (const [k, [state]] of found.entries()) expectClose(state!, states[`p${k + 1}`]!, 1e-12);
  });
});

describe("weight decay", () => {
  /** A weight and a bias of [1, 2] after a step with the rate 0.5 and the gradient 0. */
  const after = async (optimizer: Optimizer) => {
    const trained = ["weight", "bias"].map((name) => {
      const gradient = constant(`${name}.gradient`, tensor([2], [0, 0]));
      return { parameter: variable(name, tensor([2], [1, 2])), gradient, isWeight: name === "weight", rate: 1 };
    });
    const learningRate = constant("learningRate", tensor([], [0.5]));
    const updates = optimizer({ trained, learningRate });
    const executable = await reference.compile(
      graph({ name: "decay", inputs: {}, outputs: { learningRate }, updates }),
    );
    await executable.run({});
    const { weight, bias } = await executable.read(["weight", "bias"]);
    return [[...weight!.data], [...bias!.data]];
  };

  it.each([
    ["sgd", sgd({ weightDecay: 0.5 })],
    ["sgd without momentum", sgd({ weightDecay: 0.5, momentum: 0 })],
    ["adamw", adamw({ weightDecay: 0.5 })],
  ])("of %s is decoupled, and only of weights", async (_, optimizer) => {
    expect(await after(optimizer)).toEqual([
      [0.75, 1.5],
      [1, 2],
    ]);
  });

  it("is of everything with decayAll", async () => {
    expect(await after(sgd({ weightDecay: 0.5, decayAll: true }))).toEqual([
      [0.75, 1.5],
      [0.75, 1.5],
    ]);
  });
});

it("AdamW's weights stay close to 1 − β^t in float32, and closest in the first steps", () => {
  const round = Math.fround;
  const [beta, share] = [round(0.999), round(1 - 0.999)];
  const errors: number[] = [];
  for (let [step, weight] = [1, 0]; step <= 10_000; step++) {
    weight = round(round(beta * weight) + share);
    errors.push(Math.abs(weight / (1 - 0.999 ** step) - 1));
  }
  expect(errors[0]).toBeLessThan(2 ** -24);
  expect(Math.abs((1 - beta) / (1 - 0.999) - 1)).toBeGreaterThan(1e-5); // the same by a difference
  // each step rounds twice, and 1 / (1 − β) steps count: 2 · 2⁻²⁴ · 1000, and the rounding of β
  expect(Math.max(...errors)).toBeLessThan(1.4e-4);
});

describe("options are checked", () => {
  it.each([
    ["sgd.S1", () => sgd({ momentum: 1 })],
    ["sgd.S1", () => sgd({ momentum: -0.1 })],
    ["sgd.S1", () => sgd({ momentum: 0, nesterov: true })],
    ["sgd.S1", () => sgd({ momentum: Number.NaN })],
    ["sgd.S2", () => sgd({ weightDecay: -1 })],
    ["sgd.S2", () => sgd({ weightDecay: Number.NaN })],
    ["adamw.A1", () => adamw({ betas: [0.9, 1] })],
    ["adamw.A1", () => adamw({ betas: [Number.NaN, 0.9] })],
    ["adamw.A2", () => adamw({ weightDecay: Infinity })],
  ])("%s", (label, make) => {
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(expect.objectContaining({ label }));
  });
});

describe("losses agree with PyTorch's", () => {
  interface Loss {
    readonly x: readonly number[];
    readonly target: readonly number[];
    readonly shape: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[];
  }

  it.each(["crossEntropy", "crossEntropy, weighted", "meanSquaredError"])("%s", (name) => {
    const { shape, loss, gradient, ...of } = recorded[name] as Loss;
    const x = variable("x", tensorOf("float64", shape, Float64Array.from(of.x)));
    const target = constant("target", tensorOf("float64", shape, Float64Array.from(of.target)));
    const made = graph({
      name,
      inputs: {},
      outputs: { loss: losses[name.split(",")[0] as keyof typeof losses](x, target) },
    });
    const found = evaluate(differentiate(made as Graph, { of: "loss", by: ["x"] }), {});
    expectClose(found.loss!, { shape: [], data: [loss] }, 1e-14);
    expectClose(found["x.gradient"]!, { shape, data: gradient }, 1e-14);
  });

  it("crossEntropy stays finite for logits of thousands", () => {
    const x = variable("x", tensor([1, 3], [5000, -5000, 0]));
    const target = constant("target", tensor([1, 3], [0, 1, 0]));
    const made = graph({ name: "g", inputs: {}, outputs: { loss: losses.crossEntropy(x, target) } });
    const found = evaluate(differentiate(made as Graph, { of: "loss", by: ["x"] }), {});
    expect([...found.loss!.data]).toEqual([10_000]);
    expect([...found["x.gradient"]!.data]).toEqual([1, -1, 0]);
  });
});
