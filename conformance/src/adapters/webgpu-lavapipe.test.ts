import { gpuWithout } from "@residual/kit/testing/gpu-without";
import { dawnGpu, useLavapipe } from "@residual/kit/testing/lavapipe";
import { webgpu } from "@residual/webgpu";
import { it } from "vitest";
import { later } from "../testing/later.ts";
import { pictures } from "../testing/pictures.ts";
import { carriesSpecialValues } from "../testing/special-layers.ts";
import { conforms } from "../vitest.ts";

const missing = await useLavapipe("the quick level of webgpu");
if (missing === undefined) {
  const backend = webgpu();
  // The tests of @residual/webgpu hold the recorded steps, too.
  const slow = ["ops on random shapes", "finite differences", "nodes of a step/bottlenecks", "three steps"];
  await conforms(backend, { images: await pictures(100), without: slow.map((name) => `train/${name}`) });
  carriesSpecialValues("lavapipe", backend, [/winograd/, /lanes/, /strip/]);
  // the other checks of these kernels are in webgpu.test.ts
  const gpus = { ...webgpu({ kernels: "gpu" }), name: "webgpu, kernels of GPUs" };
  const others = ["ops/by hand", "ops/special values", "ops/PyTorch's answers", "ops/random shapes"];
  await conforms(gpus, { only: ["ops"], without: others });
  const models = ["cifar_resnet20", "paddle_unit_s2", "resnet18"] as const;
  const without = webgpu({ gpu: gpuWithout(await dawnGpu(), "subgroups") });
  await conforms({ ...without, name: "webgpu, without subgroups" }, { models, only: ["ops", "nodes", "models"] });
  carriesSpecialValues("lavapipe without subgroups", without, [/winograd/, /lanes, without/, /strip.* without/]);
  for (const float16 of ["storage", "products"] as const) {
    const half = { ...webgpu({ float16 }), name: `webgpu, float16 ${float16}` };
    const slow = float16 === "products" ? later("ops/layers of the family", "nodes/resnet18") : [];
    await conforms(half, { models, only: ["ops", "nodes", "models"], without: slow });
  }
} else {
  // Vitest fails a file without tests. So this test is skipped with the reason. .ci/run installs the driver.
  it("conforms on lavapipe", ({ skip }) => skip(missing));
}
