import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import {
  bind,
  constant,
  DeviceLostError,
  fill,
  fixtureInput,
  fixtureWeights,
  graph,
  input,
  ops,
  reference,
  resnet,
  select,
  tensor,
  variants,
} from "@residual/core";
import { resources, watchGpuMemory } from "@residual/kit/resources";
import { everyTest } from "@residual/kit/testing/every-test";
import { watchedGpu } from "@residual/kit/testing/watched-gpu";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it, vi } from "vitest";
import { type DeviceBuffers, type WebgpuExecutable, webgpu } from "./index.ts";

/** Networks are compiled with "cold": SwiftShader takes 15 s to compile all tiles, and these tests need only one. */
const gpu = await softwareGpu();

const small = () => {
  const x = input("x", [1, 2]);
  return graph({ name: "small", inputs: { x }, outputs: { y: ops.relu({ x }) } });
};
const x = tensor([1, 2], [-1, 2]);
const positive = Float32Array.of(0, 2);

/** A convolution for which a tiled strategy is chosen. */
const tiled = () => {
  const image = input("x", [1, 16, 6, 6]);
  const weight = constant("weight", fill("v1", "weight", [16, 16, 1, 1], -1, 1));
  return graph({ name: "tiled", inputs: { x: image }, outputs: { y: ops.conv2d({ x: image, weight }) } });
};

const resnet20 = () => {
  const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
  return select(bind(model, fixtureWeights(model, "v1")), ["logits"]);
};

describe("a device that goes away", () => {
  it("is an error of its own a hundred times over, and the next compile gets another", async () => {
    const { gpu: fresh, devices } = watchedGpu(gpu);
    const backend = webgpu({ gpu: fresh });
    for (let loss = 0; loss < 100; loss++) {
      const executable = await backend.compile(small());
      expect((await executable.run({ x })).y.data).toEqual(positive);
      const pending = executable.run({ x });
      devices[loss]!.destroy();
      await expect(pending).rejects.toThrow(DeviceLostError);
      await expect(executable.run({ x })).rejects.toThrow(DeviceLostError);
      await executable.dispose();
      await devices[loss]!.lost;
    }
    expect(devices).toHaveLength(100);
  });

  it("of the caller's is not replaced", async () => {
    const { gpu: fresh, devices } = watchedGpu(gpu);
    const device = await (await fresh.requestAdapter())!.requestDevice();
    const backend = webgpu({ device });
    await using executable = await backend.compile(small());
    expect((await executable.run({ x })).y.data).toEqual(positive);
    device.destroy();
    await device.lost;
    await expect(backend.compile(small())).rejects.toThrow(DeviceLostError);
    expect(devices).toHaveLength(1);
  });
});

/** Each run counts buffers, handles and threads over 200 rounds: level behaviour of the suite. This takes a minute. */
it.skipIf(!everyTest)("after thousands of rounds, more leave no memory behind", async () => {
  const backend = webgpu({ gpu });
  const rounds = async (count: number) => {
    for (let round = 0; round < count; round++) {
      await using executable = await backend.compile(tiled());
      await executable.run({ x: fixtureInput("v1", [1, 16, 6, 6]) });
    }
    return (await resources()).resident!; // measured after a garbage collection
  };
  let last = await rounds(2500); // allocators and SwiftShader's caches grow until then
  const grown: number[] = [];
  while (grown.length < 3 && !(grown.at(-1)! < 20e3)) {
    const now = await rounds(500);
    grown.push((now - last) / 500);
    last = now;
  }
  // A leak grows each time; other memory does not. Measured over 4,000 rounds: no growth. A round's buffers are
  // 30 kB.
  expect(Math.min(...grown)).toBeLessThan(20e3);
});

/** The resources of a process that opens a backend for each model. */
it("a hundred backends, one after the other, share a device, and leave no memory, thread or file", async () => {
  const round = async () => {
    const backend = webgpu({ gpu: await softwareGpu() });
    await backend.describe();
    await using executable = await backend.compile(small());
    await executable.run({ x });
  };
  const held = async (rounds: number) => {
    for (let i = 0; i < rounds; i++) await round();
    return resources();
  };
  const before = await held(20);
  const after = await held(100);
  expect(after.threads).toBeLessThanOrEqual(before.threads!);
  expect(after.files).toBeLessThanOrEqual(before.files!);
  expect((after.resident! - before.resident!) / 100).toBeLessThan(2 ** 20); // a device has 33 MB
});

describe("a device", () => {
  it("is shared by backends with one source, and destroyed soon after the last executable", async () => {
    const { gpu: fresh, devices } = watchedGpu(gpu);
    const [first, second] = [webgpu({ gpu: fresh }), webgpu({ gpu: fresh, kernels: "plain" })];
    const executables = await Promise.all([first.compile(small()), second.compile(small())]);
    expect(devices).toHaveLength(1);
    let isLost = false;
    void devices[0]!.lost.then(() => {
      isLost = true;
    });
    await executables[0].dispose();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(isLost).toBe(false);
    expect((await executables[1].run({ x })).y.data).toEqual(positive);
    await executables[1].dispose();
    expect(await devices[0]!.lost).toMatchObject({ reason: "destroyed" });
    await using again = await first.compile(small());
    expect((await again.run({ x })).y.data).toEqual(positive);
    expect(devices).toHaveLength(2);
  });

  it("that nobody uses any more makes room for the next", async () => {
    const devices: GPUDevice[] = [];
    for (let source = 0; source < 3; source++) {
      const watched = watchedGpu(gpu);
      await using _ = await webgpu({ gpu: watched.gpu }).compile(small());
      devices.push(...watched.devices);
    }
    await Promise.all(devices.slice(0, 2).map(({ lost }) => lost));
    expect(devices).toHaveLength(3);
  });

  it("is destroyed after a compile that fails, and after describe", async () => {
    const { gpu: fresh, devices } = watchedGpu(gpu, (code) => `${code} nonsense`);
    const backend = webgpu({ gpu: fresh });
    await expect(backend.compile(small())).rejects.toMatchObject({ code: "UnsupportedError" });
    await devices[0]!.lost;
    await backend.describe();
    await devices[1]!.lost;
  });

  it("that was handed out stays open, and if its owner destroys it the next compile opens another", async () => {
    const { gpu: fresh, devices } = watchedGpu(gpu);
    const backend = webgpu({ gpu: fresh });
    const device = await backend.device();
    await (await backend.compile(small())).dispose();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ });
    await buffer.mapAsync(GPUMapMode.READ);
    device.destroy();
    await using executable = await webgpu({ gpu: fresh }).compile(small());
    expect((await executable.run({ x })).y.data).toEqual(positive);
    expect(devices).toHaveLength(2);
  });
});

describe("a neighbour's failure", () => {
  it("in a run from a destroyed buffer is its own, 60 times of 60", async () => {
    const backend = webgpu({ gpu });
    const device = await backend.device();
    await using guilty = await backend.compile(small());
    await using innocent = await webgpu({ gpu }).compile(small());
    for (let round = 0; round < 60; round++) {
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const [gone, to] = [device.createBuffer({ size: 16, usage }), device.createBuffer({ size: 16, usage })];
      gone.destroy();
      const [failed, answered] = await Promise.allSettled([
        guilty.runOnDevice({ inputs: { x: gone }, outputs: { y: to } }),
        innocent.run({ x }),
      ]);
      to.destroy();
      expect(failed).toMatchObject({ status: "rejected", reason: { code: "UnsupportedError" } });
      expect(answered).toMatchObject({ status: "fulfilled", value: { y: { data: positive } } });
    }
  });

  it("in a compile that the device refuses is its own", async () => {
    const { gpu: fresh } = watchedGpu(gpu, (code, label) => (label.startsWith("conv2d") ? `${code} nonsense` : code));
    const backend = webgpu({ gpu: fresh, kernels: "plain" });
    await using innocent = await backend.compile(small());
    for (let round = 0; round < 20; round++) {
      const [failed, answered] = await Promise.allSettled([backend.compile(tiled()), innocent.run({ x })]);
      expect(failed).toMatchObject({ status: "rejected", reason: { code: "UnsupportedError" } });
      expect(answered).toMatchObject({ status: "fulfilled", value: { y: { data: positive } } });
    }
  });
});

describe("buffers of the caller's", () => {
  const backend = webgpu({ gpu });
  const storage = async (bytes: number, usage: GPUBufferUsageFlags) =>
    (await backend.device()).createBuffer({ size: bytes, usage });

  it("carry numbers from one model to the next", async () => {
    await using first = await backend.compile(tiled());
    await using second = await backend.compile(tiled());
    const image = fixtureInput("v1", [1, 16, 6, 6]);
    const { COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const [from, between] = [
      await storage(16 * 36 * 4, COPY_SRC | COPY_DST),
      await storage(16 * 36 * 4, COPY_SRC | COPY_DST),
    ];
    const to = await storage(16 * 36 * 4, COPY_DST | MAP_READ);
    (await backend.device()).queue.writeBuffer(from, 0, image.data);
    await first.runOnDevice({ inputs: { x: from }, outputs: { y: between } });
    await second.runOnDevice({ inputs: { x: between }, outputs: { y: to } });
    await to.mapAsync(GPUMapMode.READ);
    const found = new Float32Array(to.getMappedRange().slice(0));
    const { y } = await first.run({ x: image });
    const expected = await second.run({ x: tensor([1, 16, 6, 6], y.data) });
    expect(found).toEqual(expected.y.data);
    for (const buffer of [from, between, to]) buffer.destroy();
  });

  it("that will not do are refused, by name", async () => {
    await using executable: WebgpuExecutable = await backend.compile(tiled());
    const { COPY_SRC, COPY_DST } = GPUBufferUsage;
    const [fine, short] = [await storage(16 * 36 * 4, COPY_SRC), await storage(64, COPY_SRC | COPY_DST)];
    const run = (inputs: DeviceBuffers["inputs"], outputs: DeviceBuffers["outputs"]) =>
      executable.runOnDevice({ inputs, outputs });
    await expect(run({ x: short }, {})).rejects.toThrow(
      "the buffer for x has 64 bytes, [1, 16, 6, 6] in float32 takes 2304",
    );
    await expect(run({ x: fine }, { y: fine })).rejects.toThrow(
      "the buffer for y was made without GPUBufferUsage.COPY_DST",
    );
    await expect(run({ x: fine }, { z: fine })).rejects.toThrow("tiled has no output z; it has y");
    await expect(run({}, {})).rejects.toThrow("tiled takes { x }, found {  }");
  });
});

describe("compile", () => {
  it("tells how far it has come", async () => {
    const told: { stage: string; done: number; total: number }[] = [];
    await using executable = await webgpu({ gpu, tuning: "cold" }).compile(resnet20(), {
      onProgress: (progress) => told.push(progress),
    });
    const stage = (name: string) => told.filter((each) => each.stage === name);
    const programs = executable.programs.length;
    const counts = Array.from({ length: programs + 1 }, (_, done) => done);
    expect(stage("compile kernels").map(({ done }) => done)).toEqual(counts);
    expect(stage("compile kernels")[0]).toMatchObject({ total: programs });
    const weights = stage("upload weights");
    expect(weights.map(({ done }) => done)).toEqual(weights.map((_, i) => i));
    expect(weights.length).toBe(weights[0]!.total);
    expect(weights.length).toBeGreaterThan(20); // one or more for each layer
  });

  it.each(["compile kernels", "upload weights"])("aborted while it is to %s leaves nothing behind", async (stage) => {
    const backend = webgpu({ gpu, tuning: "cold" });
    await using before = await backend.compile(resnet20()); // its kernels have passed the self-test
    using memory = watchGpuMemory();
    const stop = new AbortController();
    const onProgress = (progress: { stage: string }) => progress.stage === stage && stop.abort();
    const compiling = backend.compile(resnet20(), { signal: stop.signal, onProgress });
    await expect(compiling).rejects.toMatchObject({ code: "AbortError" });
    expect(memory.count()).toBe(0);
    const { logits } = await before.run({ image: fixtureInput("v1", [1, 3, 32, 32]) });
    expect(logits.data.every(Number.isFinite)).toBe(true);
  });
});

describe("more than a device has", () => {
  /** An input of 256 MiB: twice what WebGPU guarantees for a binding. */
  const huge = () => {
    const image = input("x", [1, 64, 1024, 1024]);
    return graph({ name: "huge", inputs: { x: image }, outputs: { y: ops.maxPool2d({ x: image }, { window: 8 }) } });
  };
  // the default limits, and no features
  const ownDevice = async () => (await gpu.requestAdapter())!.requestDevice();

  it("is refused by name, and nothing is left behind", async () => {
    const backend = webgpu({ device: await ownDevice() });
    using memory = watchGpuMemory();
    await expect(backend.compile(huge())).rejects.toThrow(
      /takes 268435456 bytes, this adapter binds 134217728 at most; a smaller image or batch may do/,
    );
    expect(memory.count()).toBe(0);
  });

  it("in a larger batch is refused by name, and the smaller one runs on", async () => {
    const image = input("x", ["N", 64, 256, 256]);
    const of = graph({ name: "batches", inputs: { x: image }, outputs: { y: ops.relu({ x: image }) } });
    await using executable = await webgpu({ device: await ownDevice() }).compile(of);
    const batch = (n: number) => tensor([n, 64, 256, 256], new Float32Array(n * 64 * 256 ** 2).fill(-1));
    await expect(executable.run({ x: batch(9) })).rejects.toMatchObject({ code: "UnsupportedError" });
    const { y } = await executable.run({ x: batch(1) });
    expect(y.data.every((value) => value === 0)).toBe(true);
  });

  it("of memory is an OutOfMemoryError, and nothing is left behind", async () => {
    const device = await ownDevice();
    const scopes: GPUErrorFilter[] = [];
    vi.spyOn(device, "pushErrorScope").mockImplementation((filter) => void scopes.push(filter));
    vi.spyOn(device, "popErrorScope").mockImplementation(async () =>
      scopes.pop() === "out-of-memory" ? { message: "no room" } : null,
    );
    using memory = watchGpuMemory();
    await expect(webgpu({ device }).compile(small())).rejects.toMatchObject({
      code: "OutOfMemoryError",
      message: "webgpu: small does not fit into the device's memory: no room",
    });
    expect(memory.count()).toBe(0);
  });

  it("is no matter for what is small: a device of the caller's with nothing but the least runs it on plain kernels", async () => {
    await using executable = await webgpu({ device: await ownDevice() }).compile(resnet20());
    expect(executable.programs.filter(({ wgsl }) => wgsl.includes("subgroup"))).toEqual([]);
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    await using exact = await reference.compile(resnet20());
    const [{ logits: found }, { logits: expected }] = [await executable.run({ image }), await exact.run({ image })];
    const largest = Math.max(...expected.data.map(Math.abs));
    for (const [i, value] of expected.data.entries())
      expect(Math.abs(found.data[i]! - value) / largest).toBeLessThan(1.3e-6); // ten times torch's own float32
  });
});

it("an abort leaves the rest undone, and the next run is none the worse", async () => {
  const { gpu: fresh, devices } = watchedGpu(gpu);
  await using executable = await webgpu({ gpu: fresh, tuning: "cold" }).compile(resnet20());
  const image = fixtureInput("v1", [1, 3, 32, 32]);
  const { logits: expected } = await executable.run({ image });
  const submit = vi.spyOn(devices[0]!.queue, "submit");
  const stop = new AbortController();
  await executable.run({ image }, { signal: stop.signal });
  const whole = submit.mock.calls.length;
  submit.mockClear();
  submit.mockImplementationOnce(function (this: GPUQueue, buffers) {
    stop.abort();
    return GPUQueue.prototype.submit.call(this, buffers);
  });
  await expect(executable.run({ image }, { signal: stop.signal })).rejects.toMatchObject({ code: "AbortError" });
  const { logits } = await executable.run({ image });
  expect(submit.mock.calls.length).toBeLessThanOrEqual(2); // the aborted run's submit, and the last run's
  expect(whole).toBeGreaterThan(2);
  expect(logits.data).toEqual(expected.data);
});

it("a kernel that a driver gets wrong is found out, and the plain ones take over", async () => {
  const warnings: string[] = [];
  let spoilt = 0;
  const { gpu: broken } = watchedGpu(gpu, (code, label) => {
    const wrong = label.includes("lanes") ? code.replaceAll("= bias(", "= -bias(") : code;
    if (wrong !== code) spoilt++;
    return wrong;
  });
  await using executable = await webgpu({ gpu: broken, onWarning: (text) => warnings.push(text) }).compile(tiled());
  expect(spoilt, "kernels that a bias is taken off in").toBeGreaterThan(0);
  expect(executable.programs.map(({ name }) => name)).toContain("conv2d");
  expect(warnings).toEqual([expect.stringMatching(/computes conv2d .* on 4 lanes wrong: other kernels are used/)]);
  const image = fixtureInput("v1", [1, 16, 6, 6]);
  const { y } = await executable.run({ x: image });
  await using exact = await reference.compile(tiled());
  const { y: expected } = await exact.run({ x: image });
  // conformance checks the bounds
  for (const [i, value] of expected.data.entries()) expect(y.data[i]).toBeCloseTo(value, 4);
});

/** A script for a separate thread or process, which imports from this folder. */
const script = (told: string) => `(async () => {
  const { webgpu } = await import("@residual/webgpu");
  const { softwareGpu } = await import("@residual/webgpu-software");
  const { graph, input, ops, tensor } = await import("@residual/core");
  const x = input("x", [1, 2]);
  const of = graph({ name: "small", inputs: { x }, outputs: { y: ops.relu({ x }) } });
  const executable = await webgpu({ gpu: await softwareGpu() }).compile(of);
  const { y } = await executable.run({ x: tensor([1, 2], [-1, 2]) });
  await executable.dispose();
  ${told}
})()`;
const execArgv = ["--conditions=@residual/source"];

it("two workers have a device each", async () => {
  const answers = [0, 1].map(async () => {
    const text = script(`require("node:worker_threads").parentPort.postMessage([...y.data]);`);
    const worker = new Worker(text, { eval: true, execArgv });
    const answer = new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    return [await answer, await ended];
  });
  expect(await Promise.all(answers)).toEqual([
    [[0, 2], 0],
    [[0, 2], 0],
  ]);
});

it("a process that has disposed of all ends by itself", async () => {
  const args = [...execArgv, "--eval", script("console.log([...y.data].join());")];
  const options = { cwd: join(import.meta.dirname, ".."), timeout: 250_000 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  expect(stdout).toContain("0,2");
});
