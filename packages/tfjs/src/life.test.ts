import { bind, DeviceLostError, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { softwareGpu } from "@residual/webgpu-software";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { tfjs } from "./index.ts";

const open = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
const graph = bind(open, fixtureWeights(open, "v1"));
const image = fixtureInput("v1", [1, 3, 32, 32]);

it("an executable whose adapter is lost says so, in mid run too, and the next compile gets a new device", async () => {
  const { gpu, devices } = watchedGpu(await softwareGpu());
  const backend = tfjs({ engine: "webgpu", gpu });
  const executable = await backend.compile(graph);
  const expected = (await executable.run({ image })).logits.data;
  const running = executable.run({ image });
  devices[0]!.destroy();
  await expect(running).rejects.toThrow(DeviceLostError);
  await expect(executable.run({ image })).rejects.toThrow(
    /tfjs: the engine webgpu is lost \(destroyed: .*; compile the graph again/,
  );
  await executable.dispose();
  await using again = await backend.compile(graph);
  expect((await again.run({ image })).logits.data).toEqual(expected);
  expect(devices).toHaveLength(2);
});

it("two engines, and the process's own, answer at the same time", async () => {
  await import("@tensorflow/tfjs-backend-cpu");
  await tf.setBackend("cpu");
  const gpu = await softwareGpu();
  await using onGpu = await tfjs({ engine: "webgpu", gpu }).compile(graph);
  await using onWasm = await tfjs({ engine: "wasm" }).compile(graph);
  const alone = [(await onGpu.run({ image })).logits.data, (await onWasm.run({ image })).logits.data];
  const before = tf.memory().numTensors;
  const together = await Promise.all([onGpu, onWasm, onGpu, onWasm].map((each) => each.run({ image })));
  expect(together.map(({ logits }) => logits.data)).toEqual([...alone, ...alone]);
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.getBackend()).toBe("cpu");
  expect((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu).toBeUndefined();
});
