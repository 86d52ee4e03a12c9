import { constant, fill, graph, input, ops, reference, tensor } from "@residual/core";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it } from "vitest";
import { webgpu } from "./index.ts";

const gpu = await softwareGpu();

describe("weights that go up in parts", () => {
  it.each([
    ["software adapters", webgpu({ gpu })],
    ["GPUs", webgpu({ gpu, kernels: "gpu" })],
  ])("are all there, on kernels of %s", async (_, of) => {
    const [x, channels] = [input("x", [1, 512, 1, 1]), 1500]; // 2.9 MiB, with a partial last block
    const weight = constant("weight", fill("v1", "weight", [channels, 512, 1, 1], -1, 1));
    const product = graph({ name: "large", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } });
    const image = { x: tensor([1, 512, 1, 1], Float32Array.from(fill("v1", "x", [1, 512, 1, 1], -1, 1).data)) };
    await using ours = await of.compile(product);
    await using expected = await reference.compile(product);
    const [found, right] = [(await ours.run(image)).y.data, (await expected.run(image)).y.data];
    const bound = 512 * 2 ** -24 * 512; // γ₅₁₂ of products below 1 (docs/tolerances.md)
    for (let i = 0; i < channels; i++) expect(Math.abs(found[i]! - right[i]!)).toBeLessThan(bound);
  });
});
