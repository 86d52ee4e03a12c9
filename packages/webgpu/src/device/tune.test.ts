import { constant, fill, graph, input, ops } from "@residual/core";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { softwareGpu } from "@residual/webgpu-software";
import { expect, it } from "vitest";
import { webgpu } from "../index.ts";

/** Milliseconds. */
const ROUND_TRIP = 50;

it("the round trip to the device is no part of a layer's time", async () => {
  const { gpu, devices } = watchedGpu(await softwareGpu());
  const backend = webgpu({ gpu, tuning: "cold" });
  await backend.device();
  const [{ queue }] = devices as [GPUDevice];
  const done = queue.onSubmittedWorkDone.bind(queue);
  queue.onSubmittedWorkDone = async () => {
    await done();
    await new Promise((resolve) => setTimeout(resolve, ROUND_TRIP));
    return undefined;
  };
  const x = input("x", [1, 16, 4, 4]);
  const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
  const [layer] = await backend.tune(
    graph({ name: "small", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } }),
  );
  expect(layer!.tried.length).toBeGreaterThan(1);
  expect(layer!.before.ms).toBeLessThan(ROUND_TRIP / 10);
});
