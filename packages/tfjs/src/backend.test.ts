import {
  AbortError,
  bind,
  constant,
  fixtureInput,
  fixtureWeights,
  graph,
  input,
  ops,
  type Progress,
  reference,
  resnet,
  select,
  tensor,
  UnsupportedError,
  variants,
} from "@residual/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { bitsOf, fill, slow, tiny } from "./testing/graphs.ts";

const wasm = tfjs({ engine: "wasm" });
const image = fill([2, 4, 8, 8], 9);

describe("tensors", () => {
  it.each(["wasm", "cpu"] as const)("of 500 runs on %s are gone, and with dispose all", async (engine) => {
    const backend = tfjs({ engine });
    await backend.describe();
    const nothing = tf.memory();
    const executable = await backend.compile(tiny());
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    expect(numTensors - nothing.numTensors).toBe(3); // conv.weight, conv.bias, fc.weight
    expect(numBytes - nothing.numBytes).toBe(4 * (4 * 4 * 9 + 4 + 5 * 4));
    for (let i = 0; i < 500; i++) await executable.run({ image });
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, numDataBuffers });
    await executable.dispose();
    expect(tf.memory()).toMatchObject({
      numTensors: nothing.numTensors,
      numBytes: nothing.numBytes,
      numDataBuffers: nothing.numDataBuffers,
    });
  });

  it("of a run that fails or is aborted are gone too", async () => {
    await using executable = await wasm.compile(slow());
    const before = tf.memory();
    const controller = new AbortController();
    const run = executable.run({ image: fill([1, 64, 56, 56], 1) }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(run).rejects.toThrow(AbortError);
    await executable.run({ image: fill([1, 64, 56, 56], 1) }); // waits for the aborted one
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  });

  it("of a compile that is aborted are gone", async () => {
    await wasm.describe();
    const before = tf.memory();
    const open = resnet(variants.resnet18, { input: [1, 3, 64, 64] });
    const graph = bind(open, fixtureWeights(open, "v1"));
    const controller = new AbortController();
    const onProgress = ({ done }: Progress) => {
      if (done === 10) controller.abort();
    };
    await expect(wasm.compile(graph, { signal: controller.signal, onProgress })).rejects.toThrow(AbortError);
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  });

  it("hold no more than two layers need: each is freed after its last use", async () => {
    await using executable = await wasm.compile(slow(10));
    const weights = tf.memory().numBytes;
    const { peakBytes } = await tf.profile(async () => {
      await executable.run({ image: fill([1, 64, 56, 56], 1) });
      return tf.scalar(0);
    });
    const layer = 4 * 64 * 56 * 56;
    expect(peakBytes - weights).toBeLessThanOrEqual(2 * layer);
  });
});

describe("runs", () => {
  it("stop between two layers once they are aborted, and the event loop goes on meanwhile", async () => {
    await using executable = await wasm.compile(slow());
    const large = fill([1, 64, 56, 56], 1);
    const seen: number[] = [];
    const controller = new AbortController();
    const run = executable.run(
      { image: large },
      {
        signal: controller.signal,
        onProgress: ({ done }) => {
          seen.push(done);
          if (seen.length === 2) setTimeout(() => controller.abort("enough"), 0);
        },
      },
    );
    await expect(run).rejects.toMatchObject({ code: "AbortError", cause: "enough" });
    await executable.dispose();
    expect(seen.at(-1)).toBeLessThan(40);
  });

  it("answer as the reference does on a model with every kind of layer that has groups", async () => {
    const open = resnet(variants.seresnext50_32x4d, { input: ["N", 3, 32, 32] });
    const graph = select(bind(open, fixtureWeights(open, "v1")), ["logits", "layer2"]);
    const picture = fixtureInput("v1", [2, 3, 32, 32]);
    await using executable = await wasm.compile(graph);
    await using exact = await reference.compile(graph);
    const [found, expected] = [await executable.run({ image: picture }), await exact.run({ image: picture })];
    for (const name of ["logits", "layer2"] as const) {
      const largest = Math.max(...Array.from(expected[name].data, Math.abs));
      expect(found[name].shape).toEqual(expected[name].shape);
      for (const [i, value] of found[name].data.entries()) {
        // torch's own float32 run of these networks is off by some 3e-7 of the largest; ten times that is allowed
        expect(Math.abs(value - expected[name].data[i]!)).toBeLessThan(3e-6 * largest);
      }
    }
  });

  it("of other batches and sizes read the same packed kernels", async () => {
    await using executable = await wasm.compile(tiny());
    const parts = [fill([1, 4, 8, 8], 1), fill([1, 4, 8, 8], 2)];
    const both = { ...fill([2, 4, 8, 8], 0), data: Float32Array.from(parts.flatMap(({ data }) => [...data])) };
    const whole = (await executable.run({ image: both })).logits.data;
    const each = await Promise.all(parts.map((part) => executable.run({ image: part })));
    expect([...whole]).toEqual(each.flatMap(({ logits }) => [...logits.data]));
  });
});

describe("exactly, on whole numbers,", () => {
  const wholes = (shape: readonly number[]) => tensor(shape, fill(shape, 3).data.map(Math.round));
  it.each([
    ["windows as a product of matrices", [3, 256, 8, 8], [512, 256, 3, 3], { padding: 1 }],
    [
      "windows that reach over two pixels, padded unevenly",
      [2, 256, 8, 8],
      [512, 256, 3, 3],
      { padding: [2, 1, 1, 3], dilation: 2 },
    ],
    ["single pixels that a stride of 2 meets, of an odd number", [2, 8, 9, 7], [4, 8, 1, 1], { stride: 2 }],
    ["groups with stride and dilation", [1, 4, 7, 9], [4, 2, 1, 3], { groups: 2, stride: [1, 2], dilation: [1, 2] }],
    ["single pixels with stride and dilation", [2, 4, 5, 5], [3, 4, 1, 1], { stride: [2, 1], dilation: [1, 2] }],
    ["stride and dilation", [2, 3, 11, 12], [4, 3, 2, 3], { stride: [2, 3], dilation: 2, padding: [0, 1, 1, 0] }],
  ] as const)("%s", async (_, shape, bank, attributes) => {
    const x = input("x", shape);
    const y = ops.conv2d({ x, weight: constant("w", wholes(bank)) }, attributes);
    const of = graph({ name: "g", inputs: { x }, outputs: { y } });
    const image = wholes(shape);
    await using executable = await wasm.compile(of);
    await using exact = await reference.compile(of);
    const [found, expected] = [await executable.run({ x: image }), await exact.run({ x: image })];
    expect(found.y.shape).toEqual(expected.y.shape);
    const wrong = found.y.data.findIndex((value, i) => value !== expected.y.data[i]); // soon told, where many are
    expect(wrong, `${found.y.data[wrong]} for ${expected.y.data[wrong]}`).toBe(-1);
  });
});

describe("refusals", () => {
  it("heeds an aborted signal, and open parameters, before it opens an engine", async () => {
    const none = tfjs({ engine: "node" });
    await expect(none.compile(tiny(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "AbortError" });
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    await expect(none.compile(model)).rejects.toThrow(
      /tfjs-node: \d+ parameters of cifar_resnet20 are open .*; bind them first/,
    );
  });

  it("runs nothing after dispose", async () => {
    const executable = await wasm.compile(tiny());
    await executable.dispose();
    await executable.dispose();
    await expect(executable.run({ image })).rejects.toThrow(UnsupportedError);
  });

  it("names what is missing with the command that installs it", async () => {
    await expect(tfjs({ engine: "node" }).describe()).rejects.toMatchObject({
      code: "BackendUnavailableError",
      message: "tfjs: @tensorflow/tfjs-node is not installed; npm install @tensorflow/tfjs-node@4.22.0",
    });
    await expect(tfjs({ engine: "webgl" }).describe()).rejects.toThrow("tfjs: WebGL exists only in browsers");
    const gpu = { requestAdapter: async () => null };
    await expect(tfjs({ engine: "webgpu", gpu }).describe()).rejects.toThrow(
      "there is no GPU adapter; install a Vulkan",
    );
  });
});

it("answers the same bits each time, on each executable", async () => {
  await using one = await wasm.compile(tiny());
  await using other = await wasm.compile(tiny());
  const bits = bitsOf((await one.run({ image })).logits);
  expect(bitsOf((await one.run({ image })).logits)).toBe(bits);
  expect(bitsOf((await other.run({ image })).logits)).toBe(bits);
});

it("describes itself", async () => {
  expect(await wasm.describe()).toMatchObject({
    library: "@tensorflow/tfjs-backend-wasm",
    version: "4.22.0",
    device: "cpu",
    dtypes: ["float32"],
  });
  expect([tfjs().name, wasm.name]).toEqual(["tfjs", "tfjs-wasm"]);
  expect((await tfjs().describe()).library).toBe("@tensorflow/tfjs-backend-wasm"); // the best that Node has here
});
