import {
  bind,
  fill,
  fixtureInput,
  fixtureWeights,
  graph,
  input,
  ops,
  reference,
  resnet,
  variants,
} from "@residual/core";
import { useLavapipe } from "@residual/kit/testing/lavapipe";
import { describe, expect, it } from "vitest";
import { onnx } from "../../index.ts";

const missing = await useLavapipe("onnx on webgpu");
describe.skipIf(missing !== undefined)(`on lavapipe${missing ? ` (${missing})` : ""}`, () => {
  it("two backends run at a time, which crashes onnxruntime itself", async () => {
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    const open = resnet(variants.mlperf_tiny_resnet8, { input: [1, 3, 32, 32] });
    const graph = bind(open, fixtureWeights(open, "v1"));
    const backends = [onnx({ device: "webgpu" }), onnx({ device: "webgpu", threads: 1 })];
    const executables = await Promise.all(backends.map((backend) => backend.compile(graph)));
    const rounds = Array.from({ length: 20 }, () => Promise.all(executables.map((each) => each.run({ image }))));
    const answers = (await Promise.all(rounds)).flat().map(({ logits }) => logits.data.join());
    expect(new Set(answers).size).toBe(1);
    for (const executable of executables) await executable.dispose();
  });

  /** Sizes at which onnxruntime's own Conv is wrong: docs/decisions/2026-11-29-onnx-devices.md. */
  it.each([
    { images: 1, channels: 4, outputs: 6, groups: 1 },
    { images: 1, channels: 8, outputs: 9, groups: 1 },
    { images: 2, channels: 3, outputs: 5, groups: 1 },
    { images: 2, channels: 3, outputs: 14, groups: 1 },
    { images: 3, channels: 12, outputs: 12, groups: 2 },
    { images: 6, channels: 4, outputs: 4, groups: 1 },
    { images: 1, channels: 4, outputs: 8, groups: 4, stride: 2 },
    { images: 2, channels: 3, outputs: 18, groups: 3, stride: 2 },
  ])("gradients of convolutions: $images × $channels -> $outputs in $groups groups", async (sizes) => {
    const { images, channels, outputs, groups, stride = 1 } = sizes;
    const given = {
      x: fill("v1", "x", [images, channels, 8, 7], -1, 1),
      weight: fill("v1", "weight", [outputs, channels / groups, 3, 3], -1, 1),
      dy: fill("v1", "dy", [images, outputs, ...(stride === 1 ? [8, 7] : [4, 4])], -1, 1),
    };
    const x = input("x", given.x.shape);
    const weight = input("weight", given.weight.shape);
    const dy = input("dy", given.dy.shape);
    const attributes = { padding: 1, stride, groups };
    const gradients = graph({
      name: "gradients",
      inputs: { x, weight, dy },
      outputs: {
        dx: ops.conv2dInputGradient({ dy, weight }, { ...attributes, size: [8, 7] }),
        dw: ops.conv2dWeightGradient({ x, dy }, { ...attributes, kernel: [3, 3] }),
      },
    });
    await using executable = await onnx({ device: "webgpu" }).compile(gradients);
    await using exact = await reference.compile(gradients);
    const [found, expected] = [await executable.run(given), await exact.run(given)];
    // rounding of sums of up to 336 products: 1e-5 at most; a wrong channel changes an element by tenths
    for (const name of ["dx", "dw"] as const)
      for (const [i, value] of expected[name].data.entries())
        expect(Math.abs(found[name].data[i]! - value), `${name} ${i}`).toBeLessThan(1e-4);
  });
});
