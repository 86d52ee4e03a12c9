import { bind, fixtureInput, fixtureWeights, resnet, select, variants } from "@residual/core";
import { watchGpuMemory } from "@residual/kit/resources";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it, vi } from "vitest";
import { type WebgpuCache, webgpu } from "./index.ts";

const gpu = await softwareGpu();

const network = () => {
  const model = resnet(variants.mlperf_tiny_resnet8, { input: [1, 3, 32, 32] });
  return select(bind(model, fixtureWeights(model, "v1")), ["logits"]);
};
const image = fixtureInput("v1", [1, 3, 32, 32]);

function inMemory(text?: string): WebgpuCache & { text: string | undefined; writes: number } {
  return {
    text,
    writes: 0,
    async read() {
      return this.text;
    },
    async write(_, written) {
      this.text = written;
      this.writes++;
    },
  };
}

interface Record {
  checked: { [kernel: string]: boolean };
  tuned: { [layer: string]: string };
}

/**
 * Opens a new device. "cold" has only one tile and the plain kernels: SwiftShader compiles them soonest.
 */
const backendWith = (cache: WebgpuCache) => webgpu({ gpu: watchedGpu(gpu).gpu, cache, tuning: "cold" });

/** Counts the device's runs during a compile: the runs of the self-test. */
async function runsOfCompile(cache: WebgpuCache): Promise<number> {
  const backend = backendWith(cache);
  await backend.device();
  const passes = vi.spyOn(GPUCommandEncoder.prototype, "beginComputePass");
  await using _ = await backend.compile(network());
  const runs = passes.mock.calls.length;
  passes.mockRestore();
  return runs;
}

describe("the self-test", () => {
  it("is done once for an adapter, whatever the processes", async () => {
    const cache = inMemory();
    expect(await runsOfCompile(cache)).toBeGreaterThan(0);
    const { checked } = JSON.parse(cache.text!) as Record;
    expect(new Set(Object.values(checked))).toEqual(new Set([true]));
    const { writes } = cache;
    expect(await runsOfCompile(cache)).toBe(0);
    expect(cache.writes).toBe(writes);
  });

  it("is done once for a device, whatever the backends", async () => {
    const { gpu: fresh } = watchedGpu(gpu);
    const passes = vi.spyOn(GPUCommandEncoder.prototype, "beginComputePass");
    const [first, second] = [webgpu({ gpu: fresh, tuning: "cold" }), webgpu({ gpu: fresh, tuning: "cold" })];
    await using _ = await first.compile(network());
    const runs = passes.mock.calls.length;
    expect(runs).toBeGreaterThan(0);
    await using __ = await second.compile(network());
    expect(passes.mock.calls.length).toBe(runs);
    passes.mockRestore();
  });

  it("that a kernel failed is remembered as well", async () => {
    const cache = inMemory();
    await runsOfCompile(cache);
    const record = JSON.parse(cache.text!) as Record;
    for (const kernel of Object.keys(record.checked)) record.checked[kernel] = false;
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const backend = webgpu({ gpu, cache: inMemory(JSON.stringify(record)), tuning: "cold", onWarning });
    await using executable = await backend.compile(network());
    expect(warnings.join()).toMatch(/computes conv2d .* wrong/);
    expect(executable.programs.filter(({ name }) => name.includes("lanes"))).toEqual([]);
  });

  it.each([
    ["is half written", '{"identity": {"vendor"'],
    ["is no record", "[1, 2]"],
    ["is none at all", "\0\0\0"],
  ])("is done again where what is in the cache %s", async (_, text) => {
    const cache = inMemory(text);
    expect(await runsOfCompile(cache)).toBeGreaterThan(0);
    expect(Object.keys((JSON.parse(cache.text!) as Record).checked).length).toBeGreaterThan(0);
  });

  it("needs no cache that works", async () => {
    const broken: WebgpuCache = {
      read: async () => Promise.reject(new Error("no disk")),
      write: async () => Promise.reject(new Error("no disk")),
    };
    expect(await runsOfCompile(broken)).toBeGreaterThan(0);
  });
});

describe("tune", () => {
  it("begins no work that it could not keep", async () => {
    const full: WebgpuCache = { read: async () => undefined, write: async () => Promise.reject(new Error("no disk")) };
    const onProgress = vi.fn();
    await expect(backendWith(full).tune(network(), { onProgress })).rejects.toThrow("no disk");
    expect(onProgress).not.toHaveBeenCalled();
  });

  it("times ways for each layer, and keeps the quickest", async () => {
    const cache = inMemory();
    const told: (readonly [number, number])[] = [];
    const layers = await backendWith(cache).tune(network(), {
      onProgress: ({ done, total }) => told.push([done, total]),
    });
    // By hand: of its nine convolutions and a linear layer two in the first stage are alike in shape, but only one of
    // them ends in a sum.
    expect(layers.reduce((sum, { count }) => sum + count, 0)).toBe(10);
    expect(told).toEqual(Array.from({ length: layers.length + 1 }, (_, done) => [done, layers.length]));
    for (const { before, after, tried } of layers) {
      expect(tried.length).toBeGreaterThan(1);
      expect(tried.map(({ strategy }) => strategy)).toContain(after.strategy);
      expect(after.ms).toBeGreaterThan(0);
      expect(after.ms).toBeLessThanOrEqual(before.ms);
      if (after.kernels === before.kernels) expect(after).toEqual(before);
    }
    const { tuned } = JSON.parse(cache.text!) as Record;
    expect(Object.keys(tuned)).toHaveLength(layers.length);
  });

  it("is heeded by the next compile of the same adapter, and of no other", async () => {
    const cache = inMemory();
    await backendWith(cache).tune(network());
    const record = JSON.parse(cache.text!) as Record;
    for (const layer of Object.keys(record.tuned)) record.tuned[layer] = "plain";
    const plain = inMemory(JSON.stringify(record));
    await using executable = await backendWith(plain).compile(network());
    expect(executable.programs.filter(({ name }) => name.includes("lanes"))).toEqual([]);
    plain.text = plain.text!.replace('"architecture":"', '"architecture":"other');
    await using other = await backendWith(plain).compile(network());
    expect(other.programs.filter(({ name }) => name.includes("lanes"))).not.toEqual([]);
  });

  it("aborted in the middle throws AbortError, and nothing is remembered", async () => {
    const cache = inMemory();
    const backend = backendWith(cache);
    const stop = new AbortController();
    const tuning = backend.tune(network(), {
      signal: stop.signal,
      onProgress: ({ done }) => done === 2 && stop.abort(),
    });
    await expect(tuning).rejects.toMatchObject({ code: "AbortError" });
    expect(Object.keys((JSON.parse(cache.text!) as Record).tuned)).toEqual([]);
    await using executable = await backend.compile(network());
    await executable.run({ image });
  });

  it("leaves nothing on the device, and refuses open parameters", async () => {
    const backend = backendWith(inMemory());
    await backend.device();
    using memory = watchGpuMemory();
    await backend.tune(network());
    expect(memory.count()).toBe(0);
    await expect(backend.tune(resnet(variants.mlperf_tiny_resnet8))).rejects.toThrow("are open");
  });
});
