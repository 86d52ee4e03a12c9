import { describe, expect, it } from "vitest";
import { fill, fixtureInput, fixtureWeights } from "../fixture.ts";
import { ShapeError } from "../ir/errors.ts";
import { constantsOf, type Graph, graph, nodesOf, valuesOf, variablesOf } from "../ir/graph.ts";
import { type Tensor, tensor, tensorOf } from "../ir/tensor.ts";
import { input, named, variable } from "../ir/value.ts";
import { fromJson, toJson } from "../json.ts";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { flatten, linear } from "../ops/index.ts";
import { optimize } from "../passes/index.ts";
import { select } from "../passes/select.ts";
import { trainable } from "../passes/trainable.ts";
import { reference } from "../reference.ts";
import { expectClose } from "../testing/expect-close.ts";
import { adamw, sgd } from "./optimizers.ts";
import { type TrainingStepOptions, trainingStep } from "./training-step.ts";

type Net = Graph<"image", "logits">;

/** A linear layer, which sees nothing of a batch but its images. */
function line(batch: number): Net {
  const image = input("image", [batch, 2, 1, 2]);
  const parameters = {
    weight: variable("fc.weight", fill("v1", "w", [3, 4], -1, 1)),
    bias: variable("fc.bias", tensor([3], [0, 1, 2])),
  };
  return graph({
    name: "line",
    inputs: { image },
    outputs: { logits: named("fc", linear({ x: flatten({ x: image }), ...parameters })) },
  });
}

/** A small ResNet with norms, a projection, and a shortcut of padding. */
function small(batch: number): Net {
  const open = resnet({ ...variants.cifar_resnet20, depths: [1, 1], width: 4 }, { input: [batch, 3, 8, 8] });
  return trainable(open, { weights: fixtureWeights(open, "v1") }) as Net;
}

const options = { loss: "crossEntropy", optimizer: sgd() } as const satisfies TrainingStepOptions;

function batchOf(net: Net, name: string) {
  const image = fixtureInput("v1", net.inputs.image.shape as readonly number[], name);
  const [n, classes] = net.outputs.logits.shape as readonly [number, number];
  const labels = fill("v1", `${name}/labels`, [n], 0, classes).data.map(Math.floor);
  const hot = Array.from({ length: n * classes }, (_, i) => (labels[Math.floor(i / classes)] === i % classes ? 1 : 0));
  return { image, target: tensor([n, classes], hot), learningRate: tensor([], [0.125]) };
}

type Inputs = { readonly [name: string]: Tensor<"float32"> };

/** The variables after some runs, and the last answers. */
async function after(step: Graph, runs: readonly Inputs[]) {
  await using executable = await reference.compile(step);
  let answers: { [name: string]: Tensor<"float64"> } = {};
  for (const inputs of runs) answers = await executable.run(inputs);
  return { state: await executable.read(variablesOf(step).map(({ name }) => name)), answers };
}

describe("a step", () => {
  it("takes a batch and a rate, and gives the loss and the network's outputs", () => {
    const step = trainingStep(small(2), options);
    expect(Object.entries(step.inputs).map(([name, { shape }]) => [name, shape])).toEqual([
      ["image", [2, 3, 8, 8]],
      ["target", [2, 10]],
      ["learningRate", []],
    ]);
    expect(Object.keys(step.outputs)).toEqual(["loss", "logits"]);
    expect(step.updates).toHaveLength(variablesOf(step).length);
    expect(new Set(valuesOf(step).map(({ name }) => name)).size).toBe(valuesOf(step).length);
  });

  it("of ResNet-20 has 405 nodes, two for each parameter's update", () => {
    const open = resnet(variants.cifar_resnet20, { input: [8, 3, 32, 32] });
    const step = trainingStep(trainable(open, { weights: fixtureWeights(open, "v1") }), options);
    expect(nodesOf(step)).toHaveLength(405);
    expect(nodesOf(step).filter(({ op }) => op === "descend")).toHaveLength(59);
  });

  it("lowers the loss of a batch", async () => {
    const net = small(4);
    const step = trainingStep(net, options);
    await using executable = await reference.compile(step);
    const losses: number[] = [];
    for (let i = 0; i < 8; i++) losses.push((await executable.run(batchOf(net, "batch"))).loss.data[0]!);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  });

  it("gives the same after optimize, and after a way through JSON", async () => {
    const net = small(2);
    const step = trainingStep(net, {
      loss: "crossEntropy",
      optimizer: adamw({ weightDecay: 0.1 }),
      clip: 1,
      average: 0.9,
    }) as Graph;
    const runs = [batchOf(net, "a"), batchOf(net, "b")];
    const expected = await after(step, runs);
    for (const other of [optimize(step), fromJson(await toJson(step))]) {
      const found = await after(other, runs);
      expectClose(found.answers.loss!, expected.answers.loss!, 1e-12);
      expect(Object.keys(found.state)).toEqual(Object.keys(expected.state));
      for (const [name, value] of Object.entries(expected.state)) expectClose(found.state[name]!, value, 1e-12);
    }
    const lean = optimize(step);
    expect(optimize(lean) === lean).toBe(true);
  });

  it("has each gradient under its parameter's name", async () => {
    const net = line(2);
    const gradients = select(trainingStep(net, options) as Graph, ["fc.weight.gradient", "fc.bias.gradient"]);
    const { answers } = await after(gradients, [batchOf(net, "batch")]);
    expect(Object.values(answers).map(({ shape }) => shape)).toEqual([[3, 4], [3]]);
  });

  it("trains only what is not frozen, and no further than needed", () => {
    const open = resnet(variants.cifar_resnet20, { input: [2, 3, 32, 32] });
    const freeze = ["conv1", "bn1", "layer1", "layer2", "layer3"];
    const net = trainable(open, { weights: fixtureWeights(open, "v1"), freeze });
    const step = trainingStep(net, options);
    const trained = step.updates.map(({ variable }) => variable.name);
    expect(trained.sort()).toEqual(["fc.bias", "fc.bias.momentum_buffer", "fc.weight", "fc.weight.momentum_buffer"]);
    expect(nodesOf(step).some(({ op }) => op === "conv2dInputGradient" || op === "conv2dWeightGradient")).toBe(false);
  });

  it("takes other losses", async () => {
    const net = line(2);
    const { answers } = await after(trainingStep(net, { ...options, loss: "meanSquaredError" }) as Graph, [
      batchOf(net, "batch"),
    ]);
    const { logits } = answers;
    const { target } = batchOf(net, "batch");
    const expected = logits!.data.reduce((sum, value, i) => sum + (value - target.data[i]!) ** 2, 0) / 6;
    expect(answers.loss!.data[0]).toBeCloseTo(expected, 12);
  });
});

describe("accumulate", () => {
  const whole = line(4);
  const half = line(2);
  const batch = batchOf(whole, "batch");
  const cut = (value: Tensor<"float32">, [first, end]: readonly [number, number]) => {
    const row = value.data.length / value.shape[0]!;
    return tensorOf("float32", [end - first, ...value.shape.slice(1)], value.data.slice(first * row, end * row));
  };
  const parts = (
    [
      [0, 2],
      [2, 4],
    ] as const
  ).map((rows, i) => ({
    image: cut(batch.image, rows),
    target: cut(batch.target, rows),
    learningRate: batch.learningRate,
    apply: tensor([], [i]),
  }));

  it.each([
    ["sgd", { optimizer: sgd({ weightDecay: 0.1, nesterov: true }) }],
    ["adamw", { optimizer: adamw({ weightDecay: 0.1 }) }],
    ["clipped", { optimizer: sgd(), clip: 0.1 }],
    ["averaged", { optimizer: sgd(), average: 0.75 }],
  ] as const)("two halves make the step of the whole: %s", async (_, settings) => {
    const expected = await after(trainingStep(whole, { ...options, ...settings }) as Graph, [batch, batch]);
    const step = trainingStep(half, { ...options, ...settings, accumulate: 2 });
    step.inputs.apply satisfies object;
    const found = await after(step, [...parts, ...parts]);
    // clipping adds 1e-6 to the norm of the sum, not of the mean
    const tolerance = "clip" in settings ? 1e-5 : 1e-12;
    for (const [name, value] of Object.entries(expected.state)) expectClose(found.state[name]!, value, tolerance);
    expect(found.state["fc.weight.gradient_sum"]!.data.every((value) => value === 0)).toBe(true);
  });

  it("changes nothing but the sums while apply is 0", async () => {
    const step = trainingStep(half, { ...options, optimizer: adamw(), average: 0.5, accumulate: 3 }) as Graph;
    const none = await after(step, []);
    const first = await after(step, [parts[0]!]);
    for (const [name, { data }] of Object.entries(none.state))
      expect([...first.state[name]!.data].join() === [...data].join(), name).toBe(!name.endsWith(".gradient_sum"));
  });
});

describe("average", () => {
  it("follows the weights and running statistics", async () => {
    const net = small(2);
    const runs = [batchOf(net, "a"), batchOf(net, "b")];
    const step = trainingStep(net, { ...options, average: 0.75 }) as Graph;
    const [start, one, two] = await Promise.all([0, 1, 2].map((count) => after(step, runs.slice(0, count))));
    const names = variablesOf(net).map(({ name }) => name);
    expect(names).toContain("bn1.running_var");
    for (const name of names) {
      const expected = one!.state[name]!.data.map((value, i) => {
        const first = 0.75 * start!.state[name]!.data[i]! + 0.25 * value;
        return 0.75 * first + 0.25 * two!.state[name]!.data[i]!;
      });
      expectClose(two!.state[`${name}.ema`]!, tensorOf("float64", one!.state[name]!.shape, expected), 1e-12);
    }
  });
});

describe("rates", () => {
  it("multiply the learning rate, the longest name first", async () => {
    const net = line(2);
    const run = batchOf(net, "batch");
    const moved = async (rates: TrainingStepOptions["rates"]) => {
      const step = trainingStep(net, { ...options, ...(rates && { rates }) }) as Graph;
      const [before, { state }] = [await after(step, []), await after(step, [run])];
      const changes = ["fc.weight", "fc.bias"].map((name) => state[name]!.data[0]! - before.state[name]!.data[0]!);
      return changes as [number, number];
    };
    const [[weight, bias], [ofWeight, ofBias]] = [await moved(undefined), await moved({ fc: 0.5, "fc.bias": 0 })];
    expect([ofWeight / weight, ofBias / bias]).toEqual([expect.closeTo(0.5, 12), 0]);
  });
});

describe("is refused", () => {
  const net = line(2);
  const without = { ...net, outputs: { logits: flatten({ x: net.inputs.image }) } };
  const renamed = (change: Partial<Graph>) => () => trainingStep({ ...(net as Graph), ...change }, options);

  it.each([
    ["P1", () => trainingStep(net, { ...options, output: "probabilities" }), "it has logits"],
    ["P2", () => trainingStep(without, options), "with trainable"],
    ["P3", () => trainingStep(net, { ...options, clip: 0 }), "clip is 0"],
    ["P3", () => trainingStep(net, { ...options, clip: Number.NaN }), "clip is NaN"],
    ["P3", () => trainingStep(net, { ...options, average: 1.5 }), "average is 1.5"],
    ["P3", () => trainingStep(net, { ...options, accumulate: 0 }), "accumulate is 0"],
    ["P3", () => trainingStep(net, { ...options, rates: { fc: -1 } }), "the rate of fc is -1"],
    ["P4", () => trainingStep(net, { ...options, rates: { conv1: 1 } }), "trains no parameters conv1"],
    ["P5", renamed({ outputs: { loss: net.outputs.logits, logits: net.outputs.logits } }), "loss"],
    ["P5", renamed({ inputs: { ...net.inputs, target: input("target", [1]) } }), "target"],
    ["P6", () => trainingStep(net, { ...options, loss: (prediction) => prediction as never }), "expected a scalar"],
  ])("under %s", (label, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
    expect(call).toThrow(`(trainingStep.${label})`);
  });
});

it("state starts at zeros that take no memory", () => {
  const step = trainingStep(small(2), options);
  const buffers = variablesOf(step).filter(({ name }) => name.endsWith(".momentum_buffer"));
  expect(buffers.length).toBeGreaterThan(5);
  for (const { source } of buffers) expect("data" in source).toBe(false);
  expect(constantsOf(step).length).toBe(1);
});
