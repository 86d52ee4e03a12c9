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
import type { Choice } from "./choice.ts";
import type { Gpu } from "./device.ts";
import { guarded } from "./guard.ts";
import type { KernelIn } from "./kernels/kernel.ts";
import { quadConv2d } from "./kernels/quad-conv2d.ts";
import { repack } from "./kernels/repack.ts";
import { SHARED, sharedConv2d, sumSplits } from "./kernels/shared-conv2d.ts";
import { stripConv2d } from "./kernels/strip-conv2d.ts";
import { tiledConv2d } from "./kernels/tiled-conv2d.ts";
import { lowerToPlan } from "./lower.ts";
import { loadPlan } from "./memory.ts";
import { kernelsOf, type Plan } from "./plan.ts";
import { type Given, readBack, runPlan } from "./run.ts";
import { onlyProducts } from "./tuning.ts";

/** A small convolution that needs one of the fast kernels. */
export interface Trial {
  /** Of the kernel that it is for. */
  readonly name: string;
  readonly choice: Choice;
  /** Of the convolution. */
  readonly stride: 1 | 2;
  readonly outputs: number;
  /** Of the image, along each axis. */
  readonly size: number;
  /** Of the convolution; 1 where not given. Strips are for more. */
  readonly groups?: number;
  /** Whether the kernel is the one that packs weights on the device: they are an input then. */
  readonly packs?: true;
}

/**
 * Tries each fast kernel of a plan before its first use on a device, once. A driver that gets one wrong (they do:
 * shader compilers are large) would else answer nonsense in silence. The cache remembers for the processes to come.
 * Where one fails, the device has only the plain kernels from then on, `onWarning` is told, and the answer is false.
 */
export async function checkKernels(gpu: Gpu, plan: Plan, work: WorkOptions = {}): Promise<boolean> {
  const used = new Set(kernelsOf(plan).map(({ name }) => name));
  const before = gpu.checked.size;
  try {
    return await checkAll(gpu, used, work);
  } finally {
    if (gpu.checked.size > before) await gpu.remember().catch(() => {}); // then the next process tries them again
  }
}

async function checkAll(gpu: Gpu, used: ReadonlySet<string>, { signal, onProgress }: WorkOptions): Promise<boolean> {
  const trials = trialsOf(gpu.choice).filter(({ name }) => used.has(name));
  const total = trials.filter(({ name }) => !gpu.checked.has(name)).length;
  let done = 0;
  for (const trial of trials) {
    const known = gpu.checked.get(trial.name);
    if (known === undefined) onProgress?.({ stage: "test kernels", done: done++, total });
    throwIfAborted(signal);
    const right = known ?? (await gpu.shared.checks.get(trial.name, () => isRight(gpu, trial)));
    gpu.checked.set(trial.name, right);
    if (right) continue;
    gpu.distrust(trial.name);
    return false;
  }
  if (total > 0) onProgress?.({ stage: "test kernels", done: total, total });
  return true;
}

/** The trials of all fast kernels of a choice. */
export function trialsOf({
  memory = "buffers",
  products,
  cost,
  tiles = [],
  strips = [],
  winograd = [],
  sharedAtLeast,
}: Choice): readonly Trial[] {
  const size = 9;
  const packing = (trial: Trial, kernel: KernelIn): Trial => ({ ...trial, name: kernel(memory).name, packs: true });
  const fours: Trial = {
    name: quadConv2d(memory).name,
    choice: { memory, inFours: true },
    stride: 2,
    outputs: 8,
    size,
  };
  if (sharedAtLeast !== undefined) {
    const choice = { memory, ...(products && { products }) };
    const through = { stride: 2, outputs: SHARED + 4, size } as const;
    const shared = { name: sharedConv2d(products)(memory).name, choice: { ...choice, sharedAtLeast: 1 }, ...through };
    return [
      shared,
      { name: sumSplits(memory).name, choice: { ...choice, sharedAtLeast: 100 }, ...through },
      packing(shared, repack),
      ...winograd.flatMap((each) => {
        const choice = { memory, sharedAtLeast: 1, winograd: [each] };
        const { name } = each.outputTransform(memory);
        const transform: Trial = { name, choice, stride: 1, outputs: SHARED, size: 40 };
        return [transform, packing(transform, each.weightTransform)];
      }),
    ];
  }
  if (!cost) return [fours, packing(fours, repack)];
  const [first] = tiles;
  return [
    fours,
    packing(fours, repack),
    ...tiles.map((tile): Trial => {
      const { name } = tiledConv2d(tile)(memory);
      return { name, choice: { memory, cost, tiles: [tile] }, stride: 2, outputs: tile.channels + 4, size };
    }),
    ...strips.map((strip): Trial => {
      const { name } = stripConv2d(strip)(memory);
      const choice = { memory, cost, strips: [strip] };
      return { name, choice, stride: strip.down, outputs: 2 * strip.channels, groups: 2, size };
    }),
    ...winograd.flatMap((each) => {
      const choice = { memory, cost: onlyProducts, tiles: [first!], winograd: [each] };
      const { name } = each.outputTransform(memory);
      const transform: Trial = { name, choice, stride: 1, outputs: first!.channels, size: 20 };
      return [transform, packing(transform, each.weightTransform)];
    }),
  ];
}

/** Channels of a group: as many as Winograd's bound allows (below). */
const CHANNELS = 4;

/**
 * Small whole numbers in, so that the answers are whole as well, and in float32 exact: rounding is no excuse. Of
 * Winograd's F(4, 3), whose weights are sixths, the error is below γ₂₆·18²·4·100 = 0.2 (docs/tolerances.md), and what
 * is nearest to it has to be right.
 */
async function isRight(gpu: Gpu, trial: Trial): Promise<boolean> {
  const { of, inputs } = graphOf(trial);
  const lowered = lowerToPlan(of, 1, trial.choice);
  const ready = await loadPlan(gpu, lowered);
  try {
    const given = Object.entries(inputs).map(([name, { data }]): Given => ({ name, data: Float32Array.from(data) }));
    const { y: found } = await guarded(gpu.shared, trial.name, async (calls) => {
      await runPlan(gpu, calls, ready, { inputs: given });
      return readBack(calls, ready);
    });
    await using executable = await reference.compile(of);
    const { y: expected } = await executable.run(inputs);
    return expected!.data.every((value, i) => Math.abs(found!.data[i]! - value) < 0.5);
  } finally {
    ready.destroy();
  }
}

/** The graph of a trial, and its inputs. */
export function graphOf({ stride, outputs, size, groups = 1, packs }: Trial): {
  of: Graph;
  inputs: { [name: string]: Tensor<"float32"> };
} {
  const side = stride === 1 ? size : Math.ceil(size / stride);
  const image = [2, groups * CHANNELS, size, size];
  const sum = [2, outputs, side, side];
  const [x, residual] = [input("x", image), input("residual", sum)];
  const [weights, bias] = [pattern("weight", [outputs, CHANNELS, 3, 3]), constant("bias", pattern("bias", [outputs]))];
  const weight = packs ? input("weight", weights.shape) : constant("weight", weights);
  const y = ops.fusedConv2d({ x, weight, bias, residual }, { stride, groups, padding: 1, relu: true });
  const declared: { [name: string]: Input } = { x, residual, ...(weight.kind === "input" && { weight }) };
  const of = graph({ name: "self-test", inputs: declared, outputs: { y } });
  return {
    of,
    inputs: { x: pattern("x", image), residual: pattern("residual", sum), ...(packs && { weight: weights }) },
  };
}

/** −1, 0 and 1. */
function pattern(name: string, shape: readonly number[]): Tensor<"float32"> {
  return fillWhole("self-test", name, shape, -1, 1);
}
