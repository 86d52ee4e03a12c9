import {
  adamw,
  type Backend,
  fill,
  fixtureWeights,
  type Graph,
  graph,
  input,
  ops,
  parameter,
  reference,
  sgd,
  type Tensor,
  tensorOf,
  trainable,
  trainingStep,
  type Value,
  variablesOf,
} from "@residual/core";
import { resources, watchGpuMemory } from "@residual/kit/resources";
import { everyTest } from "@residual/kit/testing/every-test";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it } from "vitest";
import { webgpu } from "./index.ts";
import { agreesWithPytorch } from "./testing/golden-gradients.ts";

const gpu = await softwareGpu();

agreesWithPytorch("SwiftShader", webgpu({ gpu }));
agreesWithPytorch("kernels of GPUs", webgpu({ gpu, kernels: "gpu" }));
agreesWithPytorch("plain kernels", webgpu({ gpu, kernels: "plain" }));

/** A residual block with a stride, and a linear layer. */
function network(): Graph<"image", "logits"> {
  const image = input("image", [4, 3, 9, 9]);
  const norm = (name: string, x: Value) => {
    const c = [x.shape[1] as number];
    const [scale, shift] = [parameter(`${name}.weight`, c), parameter(`${name}.bias`, c)];
    const [mean, variance] = [parameter(`${name}.running_mean`, c), parameter(`${name}.running_var`, c)];
    return ops.batchNorm({ x, scale, shift, mean, variance });
  };
  const first = ops.conv2d({ x: image, weight: parameter("conv1.weight", [6, 3, 3, 3]) }, { padding: 1 });
  const x = ops.maxPool2d({ x: ops.relu({ x: norm("bn1", first) }) }, { window: 2, stride: 2 });
  const conv2 = ops.conv2d({ x, weight: parameter("conv2.weight", [8, 6, 3, 3]) }, { padding: 1, stride: 2 });
  const shortcut = ops.conv2d({ x, weight: parameter("down.weight", [8, 6, 1, 1]) }, { stride: 2 });
  const y = ops.relu({ x: ops.add({ a: norm("bn2", conv2), b: norm("bn3", shortcut) }) });
  const flat = ops.flatten({ x: ops.globalAveragePool({ x: y }) });
  const fc = { weight: parameter("fc.weight", [5, 8]), bias: parameter("fc.bias", [5]) };
  return graph({ name: "block", inputs: { image }, outputs: { logits: ops.linear({ x: flat, ...fc }) } });
}

const bound = () => trainable(network(), { weights: fixtureWeights(network(), "v1") });
const target = tensorOf(
  "float32",
  [4, 5],
  Float32Array.from({ length: 20 }, (_, i) => Number(i % 6 === 0)),
);
const scalar = (value: number) => tensorOf("float32", [], Float32Array.of(value));
const batch = (seed: number) => ({
  image: fill("v1", `image ${seed}`, [4, 3, 9, 9], -1, 1),
  target,
  learningRate: scalar(0.1),
});

const steps = {
  sgd: trainingStep(bound(), {
    loss: "crossEntropy",
    optimizer: sgd({ momentum: 0.9, nesterov: true, weightDecay: 1e-3, coupled: true }),
    clip: 0.5,
    average: 0.9,
  }),
  adamw: trainingStep(bound(), { loss: "crossEntropy", optimizer: adamw({ weightDecay: 0.1 }), rates: { fc: 10 } }),
  squares: trainingStep(bound(), { loss: "meanSquaredError", optimizer: sgd({ momentum: 0, weightDecay: 0.01 }) }),
};
const gathered = trainingStep(bound(), { loss: "crossEntropy", optimizer: sgd(), accumulate: 2 });

type NamedTensors = { readonly [name: string]: Tensor };

async function trained(
  backend: Backend,
  step: Graph,
  inputs: readonly { readonly [name: string]: Tensor<"float32"> }[],
): Promise<NamedTensors> {
  await using executable = await backend.compile(step);
  let results: NamedTensors = {};
  for (const each of inputs) results = await executable.run(each);
  return { ...results, ...(await executable.read(variablesOf(step).map(({ name }) => name))) };
}

/** Asserts that tensors agree to `share` of the largest number of each. */
function expectAlike(found: NamedTensors, expected: NamedTensors, share: number): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { data }] of Object.entries(expected)) {
    const numbers = Array.from(data, Number);
    const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    const error = numbers.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(found[name]!.data[i]))), 0);
    expect(error / largest, name).toBeLessThan(share);
  }
}

describe.each([
  ["SwiftShader", {}],
  ["kernels of GPUs", { kernels: "gpu" }],
  ["plain kernels", { kernels: "plain" }],
] as const)("training on %s", (_, options) => {
  const backend = webgpu({ gpu, ...options });

  // Three steps multiply the roundings of a gradient; Adam divides by its size, which is near 0 for some weights.
  it.each(Object.entries(steps))("follows the reference through three steps of %s", async (name, step) => {
    const inputs = [1, 2, 3].map(batch);
    const [found, expected] = [await trained(backend, step, inputs), await trained(reference, step, inputs)];
    expectAlike(found, expected, name === "adamw" ? 1e-3 : 2e-5);
  });

  it("adds up gradients, and applies them where it is told", async () => {
    const inputs = [0, 1, 0, 1].map((apply, i) => ({ ...batch(i), apply: scalar(apply) }));
    expectAlike(await trained(backend, gathered, inputs), await trained(reference, gathered, inputs), 2e-5);
  });

  it("repeats its bits", async () => {
    const inputs = [1, 2, 3, 4].map(batch);
    const [first, second] = [await trained(backend, steps.sgd, inputs), await trained(backend, steps.sgd, inputs)];
    for (const [name, { data }] of Object.entries(first)) expect(second[name]!.data, name).toEqual(data);
  });
});

/** 2,000 steps take minutes on a software adapter. */
const many = everyTest ? 2000 : 250;

it(`takes as much memory after ${many} steps as after 50`, async () => {
  using memory = watchGpuMemory();
  await using executable = await webgpu({ gpu }).compile(steps.sgd);
  const run = async (count: number) => {
    for (let i = 0; i < count; i++) await executable.run(batch(i % 8));
    return { device: memory.count(), ...(await resources()) };
  };
  const before = await run(50);
  const after = await run(many - 50);
  expect(after.device).toBe(before.device);
  expect(after.reachable! - before.reachable!).toBeLessThan(2 ** 20);
  // Dawn frees commands in batches: over 3,500 steps the process went up and down between 226 and 317 MiB.
  expect(after.resident! - before.resident!).toBeLessThan(2 ** 28);
});
