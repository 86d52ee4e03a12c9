import { constant, fill, graph, input, ops, reference, tensor } from "@residual/core";
import { webgpu } from "@residual/webgpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it } from "vitest";
import { pictures } from "./testing/pictures.ts";
import { carriesSpecialValues } from "./testing/special-layers.ts";
import { conforms } from "./vitest.ts";

/** SwiftShader: slow, and the same on every machine. Small models, then. */
const models = ["cifar_resnet20", "paddle_unit_s2"] as const;

const backend = webgpu({ gpu: await softwareGpu() });
await conforms(backend, { models, images: await pictures(50) });
carriesSpecialValues("SwiftShader", backend, [/winograd/, /lanes/]);

/**
 * GPUs' kernels, for lack of a GPU on the same adapter; twenty times slower there, so that lavapipe has the layers of
 * the family. How a backend behaves is no matter of kernels.
 */
const shared = webgpu({ gpu: await softwareGpu(), kernels: "gpu" });
const gpus = { ...shared, name: "webgpu, kernels of GPUs" };
await conforms(gpus, {
  models,
  images: await pictures(10),
  only: ["ops", "nodes", "models", "images"],
  without: ["ops/layers of the family"],
});
carriesSpecialValues("kernels of GPUs", shared, [/winograd/, /shared/, /splits/]);

describe("weights that go up in parts", () => {
  it.each([
    ["software adapters", backend],
    ["GPUs", shared],
  ])("are all there, on kernels of %s", async (_, of) => {
    const [x, channels] = [input("x", [1, 512, 1, 1]), 1500]; // 2.9 MiB, the last block short of some
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

carriesSpecialValues("plain kernels", webgpu({ gpu: await softwareGpu(), kernels: "plain" }), [/^conv2d$/]);
