import { bind, fixtureInput, fixtureWeights, resnet, select, variants } from "@residual/core";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { beforeEach, describe, expect, it } from "vitest";
import { browserCache, webgpu } from "../index.ts";

/** The part of the DOM that is used here: the packages are checked without it. */
declare const caches: { delete(name: string): Promise<boolean> };
declare class Worker {
  constructor(url: URL, options: { readonly type: "module" });
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(text: string): void;
  terminate(): void;
}

beforeEach(() => caches.delete("residual"));

const network = () => {
  const model = resnet(variants.mlperf_tiny_resnet8, { input: [1, 3, 32, 32] });
  return select(bind(model, fixtureWeights(model, "v1")), ["logits"]);
};

/** A new device, for which this page has no findings. */
const fresh = () => watchedGpu((navigator as { gpu: GPU }).gpu).gpu;

/** The stages that a compile reports. */
async function stagesOfCompile(): Promise<ReadonlySet<string>> {
  const stages = new Set<string>();
  const onProgress = ({ stage }: { readonly stage: string }) => stages.add(stage);
  await using executable = await webgpu({ gpu: fresh() }).compile(network(), { onProgress });
  const { logits } = await executable.run({ image: fixtureInput("v1", [1, 3, 32, 32]) });
  expect(logits.data.every(Number.isFinite)).toBe(true);
  return stages;
}

describe("a browser's own cache", () => {
  it("keeps text by key, for workers too", async () => {
    const cache = browserCache()!;
    expect(await cache.read("webgpu-1")).toBeUndefined();
    await cache.write("webgpu-1", "one");
    await cache.write("webgpu-1", "two");
    expect(await browserCache()!.read("webgpu-1")).toBe("two");
    expect(await cache.read("webgpu-2")).toBeUndefined();
    const worker = new Worker(new URL("../testing/cache-worker.ts", import.meta.url), { type: "module" });
    const answer = new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
    worker.postMessage("webgpu-1");
    expect(await answer).toBe("two");
    worker.terminate();
  });

  it("has each adapter's kernels tested once, and the test is told of", async () => {
    expect(await stagesOfCompile()).toContain("test kernels");
    expect(await stagesOfCompile()).not.toContain("test kernels");
  });
});

it("kernels that compile soonest are a software adapter's default", async () => {
  const { device, algorithms } = await webgpu().describe();
  expect(device).toMatch(/swiftshader/i);
  expect(algorithms).toEqual([]);
  expect((await webgpu({ tuning: "warm" }).describe()).algorithms).toEqual(["winograd-f2", "winograd-f4"]);
});
