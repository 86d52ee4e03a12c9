import { constant, fill, graph, input, ops } from "@residual/core";
import { everyTest } from "@residual/kit/testing/every-test";
import { gpuWithout } from "@residual/kit/testing/gpu-without";
import { dawnGpu, useLavapipe } from "@residual/kit/testing/lavapipe";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { describe, expect, it } from "vitest";
import { webgpu } from "./index.ts";
import { ageingGpu } from "./testing/ageing-gpu.ts";
import { agreesWithPytorch } from "./testing/golden-gradients.ts";
import { errorsOfSteps } from "./testing/golden-steps.ts";
import { computesGradients } from "./testing/gradient-layers.ts";
import { followsVariables } from "./testing/variable-layers.ts";
import { findsWrongKernels } from "./testing/wrong-kernels.ts";

const missing = await useLavapipe("webgpu");
describe.skipIf(missing !== undefined)(`on lavapipe${missing ? ` (${missing})` : ""}`, async () => {
  const dawn = await dawnGpu();
  followsVariables("float32", webgpu(), [/^repack/, /^winograd-f4 weights/, /lanes/, /strips/]);
  followsVariables("float16", webgpu({ float16: "storage" }), [/^repack/, /lanes/, /strips/]);
  computesGradients("float32", webgpu(), [/^interleave/, /lanes/, /^weight gradient 32/, /^weight gradient 4/]);
  agreesWithPytorch("lavapipe", webgpu());

  // A correct float32 implementation may be off ten times as far as PyTorch's (conformance/golden/README.md).
  it.each(["train_cifar_resnet20_8x3x32x32", "train_resnext14_32x4d_8x3x32x32"])(
    "three steps of %s",
    { timeout: 600_000 },
    async (id) => {
      for (const [kind, error] of Object.entries(await errorsOfSteps(webgpu(), id)))
        expect(error, kind).toBeLessThan(10);
    },
  );

  const withoutSubgroups = webgpu({ gpu: gpuWithout(dawn, "subgroups") });
  followsVariables("without subgroups", withoutSubgroups, [/lanes, without/, /strips.* without/]);
  computesGradients("without subgroups", withoutSubgroups, [/^weight gradient.* without/]);

  it("computes in buffers where a driver reads textures wrong", async () => {
    const { gpu } = watchedGpu(dawn, (code) => code.replace("return textureLoad(", "return -textureLoad("));
    const warnings: string[] = [];
    const x = input("x", [1, 16, 6, 6]);
    const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
    const of = graph({ name: "tiled", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } });
    const backend = webgpu({ gpu, onWarning: (text) => warnings.push(text) });
    await using executable = await backend.compile(of);
    expect(executable.programs.map(({ name }) => name)).toContain("conv2d 32×7 on 8 lanes");
    expect(warnings).toEqual([expect.stringMatching(/computes conv2d .* in textures wrong: other kernels/)]);
  });

  // lavapipe takes most of a minute to compile the kernels of GPUs and those with products in float16
  const quick = [{}, { float16: "storage" }] as const;
  const slow = [{ kernels: "gpu" }, { float16: "products" }] as const;
  for (const options of everyTest ? [...quick, ...slow] : quick) {
    describe(`the spot check with ${JSON.stringify(options)}`, () => findsWrongKernels(dawn, options));
  }

  it("goes on in buffers at once where textures are found wrong in a later run", async () => {
    const ageing = ageingGpu(dawn);
    const x = input("x", [1, 16, 6, 6]);
    const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
    const of = graph({ name: "tiled", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } });
    const image = fill("v1", "x", [1, 16, 6, 6], -1, 1);
    await using executable = await webgpu({ gpu: ageing.gpu, spotCheckEvery: 1, onWarning() {} }).compile(of);
    const { y: before } = await executable.run({ x: image });
    ageing.spoil((kernel) => kernel.endsWith("lanes, in textures"));
    await expect(executable.run({ x: image })).rejects.toThrow(/run it again/);
    const { y } = await executable.run({ x: image });
    for (const [i, value] of before.data.entries()) expect(y.data[i]).toBeCloseTo(value, 4);
  });

  it("float16 is refused where a kernel answers wrong", async () => {
    const { gpu } = watchedGpu(dawn, (code, label) =>
      label.includes("lanes") ? code.replace("toFloat16(four)", "toFloat16(-four)") : code,
    );
    const x = input("x", [1, 16, 6, 6]);
    const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
    const of = graph({ name: "tiled", inputs: { x }, outputs: { y: ops.conv2d({ x, weight }) } });
    await expect(webgpu({ gpu, float16: "storage" }).compile(of)).rejects.toThrow(
      /computes conv2d .* wrong; leave float16 out/,
    );
  });
});
