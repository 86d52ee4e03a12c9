import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
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
});
