import {
  constant,
  fill,
  type Graph,
  graph,
  input,
  ops,
  select,
  sgd,
  type Tensor,
  tensor,
  tensorOf,
  trainable,
  trainingStep,
  variablesOf,
} from "@residual/core";
import { wasm } from "@residual/wasm";
import { describe, expect, it } from "vitest";
import { lowerToPlan } from "./lower.ts";
import type { WasmOptions } from "./options.ts";
import { addressesOf, printPlan } from "./plan.ts";
import { bitsOf } from "./testing/graphs.ts";

const random = (name: string, shape: readonly number[], bound = 0.3) =>
  constant(name, fill("training", name, shape, -bound, bound));

const ones = (name: string, channels: number, value: number) =>
  constant(name, tensor([channels], Array(channels).fill(value)));

/** A residual block of 8 channels with norms, behind a strided convolution. */
function step(images: number, size: number): Graph {
  const image = input("image", [images, 3, size, size]);
  const norm = (x: Parameters<typeof ops.relu>[0]["x"], name: string) => ({
    ...ops.batchNorm({
      x,
      scale: ones(`${name}.weight`, 8, 1),
      shift: ones(`${name}.bias`, 8, 0),
      mean: ones(`${name}.running_mean`, 8, 0),
      variance: ones(`${name}.running_var`, 8, 1),
    }),
    name,
  });
  const conv = (x: Parameters<typeof ops.relu>[0]["x"], name: string, channels: number, stride: number) => ({
    ...ops.conv2d({ x, weight: random(`${name}.weight`, [8, channels, 3, 3]) }, { stride, padding: 1 }),
    name,
  });
  const stem = ops.relu({ x: norm(conv(image, "conv1", 3, 2), "bn1") });
  const branch = norm(conv(stem, "conv2", 8, 1), "bn2");
  const block = ops.relu({ x: ops.add({ a: branch, b: stem }) });
  const row = ops.flatten({ x: ops.globalAveragePool({ x: block }) });
  const logits = {
    ...ops.linear({ x: row, weight: random("fc.weight", [5, 8]), bias: ones("fc.bias", 5, 0) }),
    name: "logits",
  };
  const net = trainable(graph({ name: "net", inputs: { image }, outputs: { logits } }) as Graph<string, "logits">);
  return trainingStep(net, { loss: "crossEntropy", optimizer: sgd({ weightDecay: 1e-4 }), clip: 5 }) as Graph;
}

function inputsOf(images: number, size: number): { [name: string]: Tensor<"float32"> } {
  const target = new Float32Array(images * 5);
  for (let image = 0; image < images; image++) target[image * 5 + (image % 5)] = 1;
  return {
    image: fill("training", "image", [images, 3, size, size], -1, 1),
    target: tensorOf("float32", [images, 5], target),
    learningRate: tensor([], [0.05]),
  };
}

/** The losses of some steps, and the state after them, as bits. */
async function trained(options: WasmOptions, steps: number, images = 6, size = 20): Promise<readonly number[]> {
  const source = step(images, size);
  await using executable = await wasm(options).compile(source);
  const bits: number[] = [];
  for (let at = 0; at < steps; at++) bits.push(...bitsOf((await executable.run(inputsOf(images, size))).loss!));
  const state = await executable.read(variablesOf(source).map(({ name }) => name));
  for (const each of Object.values(state)) bits.push(...bitsOf(each));
  return bits;
}

describe("training", () => {
  it("gives the same bits in two runs, and on any number of threads", async () => {
    // threads wait for one another some hundred times in a step, which takes long where other programs use the cores
    const expected = await trained({ worker: false }, 2);
    for (const options of [{ worker: false }, { threads: 2 }, { threads: 3 }] satisfies WasmOptions[])
      expect(await trained(options, 2)).toEqual(expected);
  });

  it("lowers the loss", async () => {
    await using executable = await wasm({ worker: false }).compile(step(6, 20));
    const losses: number[] = [];
    for (let at = 0; at < 100; at++) losses.push((await executable.run(inputsOf(6, 20))).loss!.data[0]!);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
  });

  it("takes no more memory after 500 steps than after 50", async () => {
    await using executable = await wasm({ worker: false }).compile(step(6, 20));
    const inputs = inputsOf(6, 20);
    const megabytes = () => (process.memoryUsage().external + process.memoryUsage().arrayBuffers) / 2 ** 20;
    let after50 = 0;
    for (let at = 1; at <= 500; at++) {
      await executable.run(inputs);
      if (at === 50) after50 = megabytes();
    }
    expect(megabytes() - after50).toBeLessThan(8); // garbage that is not collected yet; a step has 0.4
  });

  it("gives a gradient the same bits whether the norms around it are fused or not", async () => {
    const source = step(4, 12);
    const wanted = ["loss", "conv1.weight.gradient", "conv2.weight.gradient", "bn1.weight.gradient"];
    const apart = select(source, [...wanted, "bn1", "bn2", "bn1.mean", "bn1.variance"]);
    const gradientsOf = async (each: Graph) => {
      await using executable = await wasm({ worker: false }).compile(each);
      const answers = await executable.run(inputsOf(4, 12));
      return wanted.map((name) => bitsOf(answers[name]!));
    };
    expect(await gradientsOf(apart)).toEqual(await gradientsOf(select(source, wanted)));
  });
});

it("Winograd's blocks of a large batch are tasks, each with the scratch memory of its thread", async () => {
  const x = input("x", [32, 16, 32, 32]);
  const y = ops.conv2d({ x, weight: random("weight", [16, 16, 3, 3]) }, { padding: 1 });
  const layer = graph({ name: "layer", inputs: { x }, outputs: { y } });
  const choice = { instructions: "relaxed madd", isShared: false, winograd: true } as const;
  const plan = lowerToPlan(layer, choice);
  const at = plan.steps.findIndex(({ kernel }) => kernel.isScratchPrivate);
  const { kernel } = plan.steps[at]!;
  expect(kernel.phases(32)).toMatchObject([{ function: "blocks" }]);
  const needed = (threads: number) => addressesOf(plan, 32, threads).end;
  expect(needed(3) - needed(1)).toBeGreaterThan(kernel.scratch!(32));
  const given = { x: fill("training", "x", [32, 16, 32, 32], -1, 1) };
  const bitsOn = async (options: WasmOptions) => {
    await using executable = await wasm(options).compile(layer);
    const { data } = (await executable.run(given)).y;
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  };
  const expected = await bitsOn({ worker: false });
  for (const threads of [2, 3]) expect((await bitsOn({ threads })).equals(expected)).toBe(true);
});

it("a step of training fuses norms with what follows them, and sums with each other", () => {
  const choice = { instructions: "relaxed madd", isShared: false, winograd: false } as const;
  const kernels = printPlan(lowerToPlan(step(4, 12), choice))
    .split("\n")
    .filter((line) => line.includes(": "))
    .map((line) => line.split(": ")[1]!.split(" ").slice(0, 3).join(" "));
  expect(kernels.filter((name) => name.startsWith("batchNorm relu"))).toHaveLength(1);
  expect(kernels.filter((name) => name.startsWith("batchNorm add relu"))).toHaveLength(1);
  expect(kernels.filter((name) => name.startsWith("batchStatistics"))).toHaveLength(2);
  expect(kernels.filter((name) => name.startsWith("batchNormGradientSums"))).toHaveLength(2);
  // what is left: the gradient of the linear layer's bias, and the limit of the gradient's norm
  const others = kernels.filter((name) => /^(relu|add) quads|^channelSum/.test(name));
  expect(others.map((name) => name.split("(")[0])).toEqual(["channelSum quads 5×1×1", "relu quads 1×1×1,"]);
});
