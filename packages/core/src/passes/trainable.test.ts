import { describe, expect, it } from "vitest";
import { fill, fixtureWeights } from "../fixture.ts";
import { ShapeError, UnsupportedError } from "../ir/errors.ts";
import { constantsOf, type Graph, graph, variablesOf } from "../ir/graph.ts";
import { print } from "../ir/print.ts";
import { tensor } from "../ir/tensor.ts";
import { input, named, parameter } from "../ir/value.ts";
import { resnet } from "../models/resnet.ts";
import { variants } from "../models/variants.ts";
import { batchNorm, relu } from "../ops/index.ts";
import { reference } from "../reference.ts";
import { expectClose } from "../testing/expect-close.ts";
import { opGoldens, tensorsOf } from "../testing/goldens.ts";
import { bind } from "./bind.ts";
import { trainable } from "./trainable.ts";

/** relu(bn1(image)). */
function tiny(batch: number | "N" = "N"): Graph<"image", "y"> {
  const image = input("image", [batch, 2, 2, 2]);
  const of = (field: string) => parameter(`bn1.${field}`, [2]);
  const parts = { scale: of("weight"), shift: of("bias"), mean: of("running_mean"), variance: of("running_var") };
  return graph({
    name: "tiny",
    inputs: { image },
    outputs: { y: relu({ x: named("bn1", batchNorm({ x: image, ...parts })) }) },
  });
}

const weights = fixtureWeights(tiny(), "v1");
const namesOf = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name);

it("prints as a norm by the statistics of the batch", () => {
  expect(print(trainable(tiny(), { weights, batch: 3 }))).toBe(
    [
      "graph tiny (image: 3×2×2×2) -> (y: 3×2×2×2 = relu)",
      "  bn1.mean : 2 = batchMean(x: image)",
      "  bn1.variance : 2 = batchVariance(x: image, mean: bn1.mean)",
      "  bn1 : 3×2×2×2 = batchNorm(x: image, scale: bn1.weight, shift: bn1.bias, mean: bn1.mean, variance: bn1.variance) {epsilon 0.00001}",
      "  relu : 3×2×2×2 = relu(x: bn1)",
      "  bn1.running_mean.next : 2 = movingAverage(average: bn1.running_mean, value: bn1.mean) {keep 0.9, share 0.1, decay 0, squared false}",
      // the unbiased variance of 12 values: 0.1 · 12 / 11
      "  bn1.running_var.next : 2 = movingAverage(average: bn1.running_var, value: bn1.variance) {keep 0.9, share 0.10909090909090911, decay 0, squared false}",
    ].join("\n"),
  );
});

it("bound or not, gives the same graph", () => {
  const bound = trainable(bind(tiny(3), weights));
  expect(print(bound)).toBe(print(trainable(tiny(), { weights, batch: 3 })));
  expect(namesOf(variablesOf(bound))).toEqual(["bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]);
  expect(constantsOf(bound)).toEqual([]);
  expect(bound.updates.map(({ variable }) => variable.name)).toEqual(["bn1.running_mean", "bn1.running_var"]);
});

describe("PyTorch's running statistics", () => {
  it.each(opGoldens("batch_norm_train").map((golden) => [golden.id, golden] as const))("%s", async (_, golden) => {
    const tensors = tensorsOf(golden);
    const { x, gamma, beta, mean, var: variance } = tensors;
    const { epsilon, momentum } = golden.attrs as { readonly [name in "epsilon" | "momentum"]: number };
    const image = input("image", x!.shape);
    const of = (name: string) => parameter(name, gamma!.shape);
    const parts = { scale: of("scale"), shift: of("shift"), mean: of("mean"), variance: of("variance") };
    const y = named("norm", batchNorm({ x: image, ...parts }, { epsilon }));
    const named_ = { scale: gamma!, shift: beta!, mean: mean!, variance: variance! };
    const training = trainable(graph({ name: "g", inputs: { image }, outputs: { y } }), {
      weights: { tensors: new Map(Object.entries(named_)) },
      momentum,
    });
    await using executable = await reference.compile(training);
    const answers = await executable.run({ image: tensor(x!.shape, x!.data) });
    expectClose(answers.y, tensors.y!, 1e-12);
    const state = await executable.read(["mean", "variance"]);
    const recorded = Object.keys(golden.outputs).filter((name) => /mean|var/i.test(name));
    expect(recorded).toHaveLength(2);
    for (const name of recorded) expectClose(state[/mean/i.test(name) ? "mean" : "variance"]!, tensors[name]!, 1e-12);
  });
});

describe("freeze", () => {
  const open = resnet(variants.cifar_resnet20, { input: [2, 3, 32, 32] }) as Graph;
  const all = fixtureWeights(open, "v1");

  it("leaves parameters of a module as constants, with norms by their running statistics", () => {
    const net = trainable(open, { weights: all, freeze: ["conv1", "bn1", "layer1"] });
    const frozen = namesOf(constantsOf(net));
    expect(frozen.every((name) => /^(conv1|bn1|layer1)\./.test(name))).toBe(true);
    expect(frozen).toHaveLength(5 + 3 * 10);
    const printed = print(net);
    expect(printed).toContain("mean: layer1.2.bn2.running_mean = 16, variance: layer1.2.bn2.running_var = 16");
    expect(printed).toContain("mean: layer2.0.bn1.mean, variance: layer2.0.bn1.variance");
    expect(net.updates).toHaveLength(2 * 12);
  });

  it("takes single parameters, and a name is not a prefix of others", () => {
    const net = trainable(open, { weights: all, freeze: ["fc.weight", "layer1.0.conv1"] });
    expect(namesOf(constantsOf(net))).toEqual(["layer1.0.conv1.weight", "fc.weight"]);
  });

  it("may be all", () => {
    const net = trainable(open, { weights: all, freeze: ["conv1", "bn1", "layer1", "layer2", "layer3", "fc"] });
    expect([variablesOf(net), net.updates]).toEqual([[], []]);
  });
});

describe("is refused", () => {
  it.each([
    ["T2", () => trainable(tiny(3), { weights, freeze: ["bn"] }), "nearest are bn1, "],
    ["T2", () => trainable(tiny(3), { weights, freeze: ["bn1.weigh"] }), "nearest are bn1.weight, "],
    ["T4", () => trainable(tiny(3), { weights, momentum: 2 }), "momentum is 2"],
    ["T4", () => trainable(tiny(3), { weights, momentum: Number.NaN }), "momentum is NaN"],
  ])("under %s", (label, call, message) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
    expect(call).toThrow(`(trainable.${label})`);
  });

  it("under T1 for open parameters", () => {
    expect(() => trainable(tiny(3))).toThrow(UnsupportedError);
    expect(() => trainable(tiny(3))).toThrow("bn1.weight of tiny is open; give the weights");
  });

  it("under T3 for one value in each channel", () => {
    const image = input("image", ["N", 2, 1, 1]);
    const of = (field: string) => parameter(`bn1.${field}`, [2]);
    const parts = { scale: of("weight"), shift: of("bias"), mean: of("running_mean"), variance: of("running_var") };
    const one = graph({
      name: "one",
      inputs: { image },
      outputs: { y: named("bn1", batchNorm({ x: image, ...parts })) },
    });
    expect(() => trainable(one, { weights, batch: 1 })).toThrow("(trainable.T3)");
    expect(variablesOf(trainable(one, { weights, batch: 2 }))).toHaveLength(4);
  });

  it("with an open batch, and says what to do", () => {
    expect(() => trainable(tiny(), { weights })).toThrow(/fix the batch with closeBatch \(batchMean\.C1\)$/);
  });
});

it("leaves the statistics of a batch alone where momentum is 0", async () => {
  await using executable = await reference.compile(trainable(tiny(), { weights, batch: 3, momentum: 0 }));
  await executable.run({ image: fill("v1", "image", [3, 2, 2, 2], 0, 1) });
  const { "bn1.running_mean": mean } = await executable.read(["bn1.running_mean"]);
  expect([...mean!.data]).toEqual([...weights.tensors.get("bn1.running_mean")!.data]);
});
