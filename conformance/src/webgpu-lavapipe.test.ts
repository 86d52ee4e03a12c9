import { constant, fill, graph, input, ops } from "@residual/core";
import { webgpu } from "@residual/webgpu";
import { expect, it } from "vitest";
import { lavapipe } from "./testing/lavapipe.ts";
import { pictures } from "./testing/pictures.ts";
import { carriesSpecialValues } from "./testing/special-layers.ts";
import { followsVariables } from "./testing/variable-layers.ts";
import { watchedGpu } from "./testing/watched-gpu.ts";
import { conforms } from "./vitest.ts";

/** Dawn's own, which a backend does not hand out. */
async function dawnOf(): Promise<{ readonly gpu: GPU }> {
  const dawn = (await import("webgpu")) as { create(options: string[]): GPU };
  return { gpu: dawn.create([]) };
}

const { backend, missing } = await lavapipe("the quick level of webgpu");
if (backend) {
  await conforms(backend, { images: await pictures(100) });
  carriesSpecialValues("lavapipe", backend, [/winograd/, /lanes/, /strip/]);
  followsVariables("lavapipe", backend, [/^repack/, /^winograd-f4 weights/, /lanes/, /strips/, /^packRows/]);
  followsVariables("lavapipe in float16", webgpu({ float16: "storage" }), [/^repack/, /lanes/, /strips/, /^packRows/]);
  // the rest of them is in webgpu.test.ts
  const gpus = { ...webgpu({ kernels: "gpu" }), name: "webgpu, kernels of GPUs" };
  const others = ["ops/by hand", "ops/special values", "ops/PyTorch's answers", "ops/random shapes"];
  await conforms(gpus, { only: ["ops"], without: others });
  for (const float16 of ["storage", "products"] as const) {
    const models = ["cifar_resnet20", "paddle_unit_s2", "resnet18"] as const;
    const half = { ...webgpu({ float16 }), name: `webgpu, float16 ${float16}` };
    await conforms(half, { models, only: ["ops", "nodes", "models"] });
  }

  it("float16 is refused where a kernel answers wrong", async () => {
    const { gpu: dawn } = await dawnOf();
    const { gpu } = watchedGpu(dawn, (code, label) =>
      label.includes("lanes") ? code.replace("toFloat16(four)", "toFloat16(-four)") : code,
    );
    const x = input("x", [1, 16, 6, 6]);
    const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
    const of = graph({ name: "tiled", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } });
    await expect(webgpu({ gpu, float16: "storage" }).compile(of)).rejects.toThrow(
      /works out conv2d .* wrong; leave float16 out/,
    );
  });
} else {
  // A file without any test is a failure; Vitest prints the reason, and .ci/run installs the driver.
  it("conforms on lavapipe", ({ skip }) => skip(missing));
}
