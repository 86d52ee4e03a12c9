import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
import { onnx } from "@residual/onnx";
import { expect, it } from "vitest";
import { lavapipe } from "./testing/lavapipe.ts";
import { pictures } from "./testing/pictures.ts";
import { conforms } from "./vitest.ts";

const { missing } = await lavapipe("onnx on webgpu");
if (missing === undefined) {
  await conforms(onnx({ device: "webgpu" }), {
    without: ["ops/layers of the family"], // a shader for each shape, some of which take seconds
    models: ["cifar_resnet20", "paddle_unit_s2", "resnet18"],
    images: await pictures(50),
  });

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
} else {
  // A file without any test is a failure; Vitest prints the reason, and .ci/run installs the driver.
  it("conforms on lavapipe", ({ skip }) => skip(missing));
}
