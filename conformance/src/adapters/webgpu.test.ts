import { bind, fixtureWeights, resnet, variants } from "@residual/core";
import { gpuWithout } from "@residual/kit/testing/gpu-without";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { type WebgpuCache, webgpu } from "@residual/webgpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it } from "vitest";
import { conform } from "../suite/conform.ts";
import { later } from "../testing/later.ts";
import { pictures } from "../testing/pictures.ts";
import { carriesSpecialValues } from "../testing/special-layers.ts";
import { conforms } from "../vitest.ts";

/** SwiftShader is slow, and the same on every machine. So the models are small. */
const models = ["cifar_resnet20", "paddle_unit_s2"] as const;

const gpu = await softwareGpu();
const backend = webgpu({ gpu });
await conforms(backend, {
  models,
  images: await pictures(50),
  without: ["train", ...later("ops/layers of the family", "behaviour/life")], // lavapipe has them
});
carriesSpecialValues("SwiftShader", backend, [/winograd/, /lanes/]);

const without = webgpu({ gpu: gpuWithout(gpu, "subgroups") });
carriesSpecialValues("SwiftShader without subgroups", without, [/winograd/, /lanes, without/]);

/**
 * The kernels of GPUs on the software adapter, for lack of a GPU. They are twenty times slower there, so the layers of
 * the family run on lavapipe. Kernels do not change how a backend behaves.
 */
const shared = webgpu({ gpu, kernels: "gpu" });
const gpus = { ...shared, name: "webgpu, kernels of GPUs" };
await conforms(gpus, {
  models,
  images: await pictures(10),
  only: ["ops", "nodes", "models", "images"],
  without: ["ops/layers of the family"],
});
carriesSpecialValues("kernels of GPUs", shared, [/winograd/, /shared/, /splits/]);

carriesSpecialValues("plain kernels", webgpu({ gpu, kernels: "plain" }), [/^conv2d$/]);

/** A cache in memory for the results of `tune`. */
function inMemory(): WebgpuCache {
  const kept = new Map<string, string>();
  return {
    read: async (key) => kept.get(key),
    write: async (key, text) => void kept.set(key, text),
  };
}

describe("tuned", () => {
  it("each layer answers within its bounds", async () => {
    const tuned = webgpu({ gpu: watchedGpu(gpu).gpu, cache: inMemory(), tuning: "cold" }); // compiles fastest
    const open = resnet(variants.mlperf_tiny_resnet8, { input: [1, 3, 32, 32] });
    const layers = await tuned.tune(bind(open, fixtureWeights(open, "v1")));
    expect(layers.length).toBeGreaterThan(5);
    // the optimized nodes are the layers that were tuned
    const nodes = { only: ["nodes"], models: ["mlperf_tiny_resnet8"] } as const;
    expect(await conform(tuned, nodes)).toMatchObject({ passed: true });
  });
});
