import {
  constant,
  fillWhole,
  type Graph,
  graph,
  type Input,
  input,
  ops,
  reference,
  type Tensor,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import type { DeviceProfile } from "../decide/profiles.ts";
import type { Trial } from "../decide/strategy.ts";
import type { KernelIn } from "../kernels/kernel.ts";
import { type Lowered, lowerToPlan } from "../lower/lower.ts";
import type { Gpu } from "./gpu.ts";
import { guarded } from "./guard.ts";
import { loadPlan } from "./memory.ts";
import { type Given, readBack, runPlan } from "./run.ts";

/** A small graph that tests a strategy, the inputs of its runs, and the names of the tested kernels. */
export interface SelfTest {
  /** The strategy's name. */
  readonly name: string;
  readonly trial: TrialGraph;
  readonly kernels: readonly string[];
  /** Whether the test packs its weights on the device. Then they are an input of the test's graph. */
  readonly packs: boolean;
  /** The profile that has only the strategy. */
  readonly alone: (profile: DeviceProfile) => DeviceProfile;
}

interface TrialGraph {
  readonly of: Graph;
  readonly inputs: readonly { readonly [name: string]: Tensor<"float32"> }[];
}

/**
 * Tests the kernels of each strategy of a plan, before their first use on a device. Some shader compilers compile a
 * kernel wrong, and its results would be wrong without an error. The cache keeps the findings for later processes. If a
 * kernel fails, the backend replaces its profile, calls `onWarning`, and the result is false.
 */
export async function checkKernels(gpu: Gpu, lowered: Lowered, work: WorkOptions = {}): Promise<boolean> {
  const before = gpu.checked.size;
  try {
    return await checkAll(gpu, selfTestsOf(lowered, gpu.profile.memory), work);
  } finally {
    if (gpu.checked.size > before) await gpu.remember().catch(() => {}); // the next process tests again
  }
}

/** A test for each strategy of a plan, and another if the strategy's weights are packed on the device. */
export function selfTestsOf(
  { layers, parts, weightGradients, kernels }: Lowered,
  memory: DeviceProfile["memory"],
): readonly SelfTest[] {
  const nameOf = (kernel: KernelIn) => kernel(memory).name;
  const ofLayers = [...new Set([...layers, ...parts].map(({ strategy }) => strategy))].flatMap(
    (strategy): SelfTest[] => {
      const { name, trial } = strategy;
      if (!trial) return [];
      const alone = (profile: DeviceProfile) => ({ ...profile, strategies: [strategy] });
      const test = (packs: boolean, tested: readonly KernelIn[]): SelfTest => {
        return { name, trial: graphOf({ trial, packs }), kernels: tested.map(nameOf), packs, alone };
      };
      const own = test(false, strategy.kernels);
      return kernels.has(nameOf(strategy.packing)) ? [own, test(true, [strategy.packing])] : [own];
    },
  );
  const ofGradients = weightGradients.map(
    (strategy): SelfTest => ({
      name: strategy.name,
      trial: gradientGraphOf(strategy.outputs),
      kernels: strategy.kernels.map(nameOf),
      packs: false,
      alone: (profile) => ({ ...profile, weightGradients: [strategy] }),
    }),
  );
  return [...ofLayers, ...ofGradients];
}

async function checkAll(gpu: Gpu, tests: readonly SelfTest[], { signal, onProgress }: WorkOptions): Promise<boolean> {
  const isOpen = ({ kernels }: SelfTest) => kernels.some((name) => !gpu.checked.has(name));
  const isWrong = ({ kernels }: SelfTest) => kernels.some((name) => gpu.checked.get(name) === false);
  const total = tests.filter(isOpen).length;
  let done = 0;
  for (const test of tests) {
    throwIfAborted(signal);
    if (isOpen(test) && !isWrong(test)) {
      onProgress?.({ stage: "test kernels", done: done++, total });
      const key = [test.name, ...test.kernels].join();
      const right = await gpu.shared.checks.get(key, () => isRight(gpu, test));
      for (const name of test.kernels) if (!gpu.checked.has(name)) gpu.checked.set(name, right);
    }
    if (!isWrong(test)) continue;
    gpu.distrust(test.kernels.filter((name) => gpu.checked.get(name) === false).join(" or "));
    return false;
  }
  if (total > 0) onProgress?.({ stage: "test kernels", done: total, total });
  return true;
}

/**
 * Whether a strategy computes its trial right. It runs twice with different inputs, since one known driver is right
 * only in its first run. Numbers are small and whole, so results are whole too, and exact in float32. Winograd's F(4,
 * 3) multiplies by multiples of 1/24. Its error is below γ₂₆·18²·4·100 = 0.2 (docs/tolerances.md), so its results must
 * round to the right whole numbers.
 */
async function isRight(gpu: Gpu, test: SelfTest): Promise<boolean> {
  const { of, inputs } = test.trial;
  const ready = await loadPlan(gpu, lowerToPlan(of, 1, test.alone(gpu.profile)));
  try {
    await using executable = await reference.compile(of);
    for (const each of inputs) {
      const { y: expected } = await executable.run(each);
      const given = Object.entries(each).map(([name, { data }]): Given => ({ name, data: Float32Array.from(data) }));
      const { y: found } = await guarded(gpu.shared, test.name, async (calls) => {
        await runPlan(gpu, calls, ready, { inputs: given });
        return readBack(calls, ready);
      });
      if (!expected!.data.every((value, i) => Math.abs(found!.data[i]! - value) < 0.5)) return false;
    }
    return true;
  } finally {
    ready.destroy();
  }
}

/** The graph of a convolution's test, and the inputs of its runs. */
export function graphOf({ trial, packs }: { readonly trial: Trial; readonly packs: boolean }): TrialGraph {
  const { channels, outputs, stride, size, groups, window } = trial;
  const side = Math.ceil(size / stride);
  const shapes = { x: [2, groups * channels, size, size], residual: [2, outputs, side, side] };
  const weights = pattern("weight", [outputs, channels, window, window]);
  const weight = packs ? input("weight", weights.shape) : constant("weight", weights);
  const [x, residual] = [input("x", shapes.x), input("residual", shapes.residual)];
  const bias = constant("bias", pattern("bias", [outputs]));
  const y = ops.fusedConv2d({ x, weight, bias, residual }, { stride, groups, padding: window >> 1, relu: true });
  const declared: { [name: string]: Input } = { x, residual, ...(weight.kind === "input" && { weight }) };
  return {
    of: graph({ name: "self-test", inputs: declared, outputs: { y } }),
    inputs: ["", ", again"].map((run) => ({
      x: pattern(`x${run}`, shapes.x),
      residual: pattern(`residual${run}`, shapes.residual),
      ...(packs && { weight: pattern(`weight${run}`, weights.shape) }),
    })),
  };
}

/** The graph of a test of gradients by weights: several parts of pixels, and a block of outputs that is not full. */
export function gradientGraphOf(outputs: number): TrialGraph {
  const shapes = { x: [2, 8, 18, 18], dy: [2, outputs + 4, 18, 18] };
  const [x, dy] = [input("x", shapes.x), input("dy", shapes.dy)];
  const y = ops.conv2dWeightGradient({ x, dy }, { kernel: 3, padding: 1 });
  return {
    of: graph({ name: "self-test", inputs: { x, dy }, outputs: { y } }),
    inputs: ["", ", again"].map((run) => ({ x: pattern(`x${run}`, shapes.x), dy: pattern(`dy${run}`, shapes.dy) })),
  };
}

/** A tensor of the numbers −1, 0 and 1. */
function pattern(name: string, shape: readonly number[]): Tensor<"float32"> {
  return fillWhole("self-test", name, shape, -1, 1);
}
