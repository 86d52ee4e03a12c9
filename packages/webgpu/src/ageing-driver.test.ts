import {
  bind,
  constant,
  fill,
  fixtureInput,
  fixtureWeights,
  type Graph,
  graph,
  input,
  type LazySource,
  named,
  ops,
  reference,
  resnet,
  ShapeError,
  type Source,
  select,
  type Tensor,
  UnsupportedError,
  variants,
} from "@residual/core";
import { softwareGpu } from "@residual/webgpu-software";
import { describe, expect, it, vi } from "vitest";
import { type WebgpuCache, type WebgpuOptions, webgpu } from "./index.ts";
import { ageingGpu } from "./testing/ageing-gpu.ts";

const gpu = await softwareGpu();

const weight = fill("v1", "weight", [16, 16, 1, 1], -1, 1);

/** A convolution for which a tiled strategy is chosen. */
function tiled(source: Source = weight): Graph<"x", "y"> {
  const x = input("x", [1, 16, 6, 6]);
  const y = named("layer", ops.conv2d({ x, weight: constant("weight", source) }));
  return graph({ name: "tiled", inputs: { x }, outputs: { y } });
}

const imageOf = (run: number) => ({ x: fill("v1", `image ${run}`, [1, 16, 6, 6], -1, 1) });

/** Asserts the answer of `tiled`: sums of 16 products below 1 are off by γ₁₆·16 = 1.6e-5 at most. */
async function expectRight({ data }: Tensor<"float32">, run: number): Promise<void> {
  await using exact = await reference.compile(tiled());
  const { y } = await exact.run(imageOf(run));
  for (const [i, value] of y.data.entries()) expect(Math.abs(data[i]! - value)).toBeLessThan(1.6e-5);
}

const isFast = (kernel: string) => kernel.includes("lanes");

/** A backend with its own driver, and all warnings of the backend. */
function ageingBackend(options: WebgpuOptions) {
  const ageing = ageingGpu(gpu);
  const warnings: string[] = [];
  const onWarning = (text: string) => void warnings.push(text);
  return { backend: webgpu({ gpu: ageing.gpu, tuning: "cold", onWarning, ...options }), ageing, warnings };
}

function inMemory(): WebgpuCache {
  const texts = new Map<string, string>();
  return {
    read: async (key) => texts.get(key),
    write: async (key, text) => void texts.set(key, text),
  };
}

it("a kernel that is right only at its first run is found out before it is used", async () => {
  const { backend, ageing, warnings } = ageingBackend({});
  const runs = new Map<string, number>();
  ageing.spoil((kernel) => {
    runs.set(kernel, (runs.get(kernel) ?? 0) + 1);
    return isFast(kernel) && runs.get(kernel)! > 1;
  });
  await using executable = await backend.compile(tiled());
  expect(executable.programs.map(({ name }) => name)).toContain("conv2d");
  expect(warnings).toEqual([expect.stringMatching(/computes conv2d .* wrong: other kernels are used/)]);
  await expectRight((await executable.run(imageOf(0))).y, 0);
});

describe("a kernel that goes wrong later", () => {
  it("makes the run that is checked reject; other kernels take over, for later processes too", async () => {
    const cache = inMemory();
    const { backend, ageing, warnings } = ageingBackend({ cache, spotCheckEvery: 3 });
    await using executable = await backend.compile(tiled());
    await using other = await backend.compile(tiled());
    for (const run of [1, 2]) await expectRight((await executable.run(imageOf(run))).y, run);
    ageing.spoil(isFast);
    const wrong =
      /computes layer wrong by conv2d .* on 4 lanes: \[0, .* is .*, expected .* within .*e-\d; earlier results may be wrong too; run it again, or compile again/;
    const error: unknown = await executable.run(imageOf(3)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(String(error)).toMatch(wrong);
    for (const each of [executable, other]) await expectRight((await each.run(imageOf(4))).y, 4);
    expect(warnings).toEqual([expect.stringMatching(/computes conv2d .* wrong: other kernels are used/)]);
    const later = ageingBackend({ cache });
    await using afterwards = await later.backend.compile(tiled());
    expect(afterwards.programs.map(({ name }) => name)).toContain("conv2d");
    expect(later.warnings).toHaveLength(1);
  });

  it("makes runs between buffers reject as well", async () => {
    const { backend, ageing } = ageingBackend({ spotCheckEvery: 1 });
    await using executable = await backend.compile(tiled());
    const device = await backend.device();
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const [from, to] = [0, 1].map(() => device.createBuffer({ size: 4 * 16 * 36, usage }));
    device.queue.writeBuffer(from!, 0, imageOf(1).x.data);
    const run = () => executable.runOnDevice({ inputs: { x: from! }, outputs: { y: to! } });
    await run();
    ageing.spoil(isFast);
    await expect(run()).rejects.toThrow(/computes layer wrong/);
    device.destroy();
  });

  it("is not looked for where spotCheckEvery is Infinity", async () => {
    const { backend, ageing } = ageingBackend({ spotCheckEvery: Infinity });
    await using executable = await backend.compile(tiled());
    ageing.spoil(isFast);
    for (let run = 0; run < 20; run++) await executable.run(imageOf(run));
  });

  it("and is the plain one leaves no way but another backend", async () => {
    const { backend, ageing } = ageingBackend({ kernels: "plain", spotCheckEvery: 1 });
    await using executable = await backend.compile(tiled());
    ageing.spoil((kernel) => kernel === "conv2d");
    for (let run = 0; run < 2; run++)
      await expect(executable.run(imageOf(run))).rejects.toThrow(/wrong by conv2d: .*take another backend/);
  });
});

describe("a driver that is right", () => {
  it("is never refused: the layers of a network take turns, with a signal and without", async () => {
    const model = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
    const network = select(bind(model, fixtureWeights(model, "v1")), ["logits"]);
    const { backend, warnings } = ageingBackend({ spotCheckEvery: 1 });
    await using executable = await backend.compile(network);
    const layers = executable.plan.split("\n").filter((line) => line.includes("conv2d")).length;
    expect(layers).toBeGreaterThan(19);
    const { signal } = new AbortController();
    for (let run = 0; run < layers; run++) {
      const image = fixtureInput("v1", [2, 3, 32, 32]);
      await executable.run({ image }, run % 2 === 0 ? {} : { signal });
    }
    expect(warnings).toEqual([]);
  });

  it("is not refused where its weights' file is gone", async () => {
    let reads = 0;
    const file: LazySource = {
      dtype: "float32",
      shape: weight.shape,
      firstNonFinite: -1,
      async read(into, { first, end }) {
        if (reads++ > 0) throw new Error("no such file");
        into.set(weight.data.subarray(16 * first, 16 * end));
      },
    };
    const { backend } = ageingBackend({ spotCheckEvery: 1 });
    await using executable = await backend.compile(tiled(file));
    await expectRight((await executable.run(imageOf(1))).y, 1);
    expect(reads).toBeGreaterThan(1);
  });
});

it("a run that is not checked copies no more than its results", async () => {
  const { backend } = ageingBackend({ spotCheckEvery: 2 });
  await using executable = await backend.compile(tiled());
  const copies = vi.spyOn(GPUCommandEncoder.prototype, "copyBufferToBuffer");
  await executable.run(imageOf(1));
  expect(copies).toHaveBeenCalledTimes(1);
  await executable.run(imageOf(2));
  expect(copies).toHaveBeenCalledTimes(2 + 2);
  copies.mockRestore();
});

it.each([0, -1, Number.NaN])("spotCheckEvery of %s is refused", (spotCheckEvery) => {
  expect(() => webgpu({ spotCheckEvery })).toThrow(ShapeError);
});
