import { constant, fill, type Graph, graph, input, named, ops, type Tensor } from "@residual/core";
import type { GpuSource } from "@residual/kit/gpu";
import { expect, it } from "vitest";
import { type Strategy, type Trial, trialOf } from "../decide/strategy.ts";
import { type Gpu, type GpuOptions, gpuOn } from "../device/gpu.ts";
import { WebgpuModel } from "../device/model.ts";
import { leaseDevice } from "../device/shared-device.ts";
import { ageingGpu } from "./ageing-gpu.ts";

type Inputs = { readonly [name: string]: Tensor<"float32"> };

/** A layer with a residual, between other nodes with which it shares memory. */
function networkOf({ channels, outputs, stride, size, groups, window }: Trial): Graph {
  const side = Math.ceil(size / stride);
  const [image, gate] = [
    input("image", ["N", groups * channels, size, size]),
    input("gate", ["N", outputs, side, side]),
  ];
  const weight = constant("weight", fill("v1", "weight", [outputs, channels, window, window], -1, 1));
  const bias = constant("bias", fill("v1", "bias", [outputs], -1, 1));
  const x = channels === 3 ? image : ops.sigmoid({ x: image }); // with 3 channels a layer reads the host's image
  const residual = ops.sigmoid({ x: gate });
  const attributes = { stride, groups, padding: window >> 1, relu: true } as const;
  const middle = named("middle", ops.fusedConv2d({ x, weight, bias, residual }, attributes));
  const y = ops.sigmoid({ x: ops.add({ a: middle, b: residual }) });
  return graph({ name: "network", inputs: { image, gate }, outputs: { y } });
}

function inputsOf({ inputs }: Graph, run: number): Inputs {
  const named = Object.entries(inputs).map(([name, { shape }]): [string, Tensor<"float32">] => [
    name,
    fill("v1", `${name} ${run}`, [2, ...shape.slice(1)] as number[], -1, 1),
  ]);
  return Object.fromEntries(named);
}

/** A model with one strategy, whose every run is checked. */
async function modelBy(gpu: Gpu, strategy: Strategy, of: Graph): Promise<WebgpuModel> {
  let checks = 0;
  const { profile, ...rest } = gpu;
  const ignore = () => {};
  const own: Gpu = {
    ...rest,
    profile: { ...profile, strategies: [strategy] },
    checked: new Map(strategy.kernels.map((kernel) => [kernel(profile.memory).name, true])), // no self-test
    nextCheck: () => checks++,
    remember: async () => {},
    distrust: ignore,
  };
  return WebgpuModel.load(own, of, {}, ignore);
}

/**
 * Tests each strategy of an adapter: runs succeed while its driver computes right, and the next run is refused once the
 * driver computes one of the strategy's kernels wrong.
 */
export async function findsWrongKernels(source: GpuSource, options: GpuOptions = {}): Promise<void> {
  const ageing = ageingGpu(source);
  const from = { gpu: ageing.gpu, library: "a test's", version: "1" };
  const { shared } = await leaseDevice(from, options.float16 !== undefined);
  const gpu = await gpuOn(shared, options, new Map());
  const { strategies, memory } = gpu.profile;

  it.each(strategies.map((strategy) => [strategy.name, strategy] as const))("%s", async (_, strategy) => {
    const of = networkOf(strategy.trial ?? trialOf({}));
    for (const kernel of strategy.kernels.map((each) => each(memory).name)) {
      const model = await modelBy(gpu, strategy, of);
      const run = (number: number) => model.run(inputsOf(of, number), { batch: 2 });
      ageing.spoil(() => false);
      for (let number = 0; number < 8; number++) await run(number);
      ageing.spoil((name) => name === kernel);
      const error: unknown = await run(8).catch((thrown: unknown) => thrown);
      expect(error, kernel).toMatchObject({ code: "UnsupportedError" });
      expect(String(error)).toMatch(/ computes middle wrong by .*: \[[01], \d+, \d+, \d+\] is .*, expected .* within /);
      expect(String(error)).toContain(kernel);
      await model.dispose();
    }
  });
}
