import {
  type AnyNode,
  concrete,
  constant,
  type Graph,
  graph,
  type Input,
  input,
  optimize,
  parametersOf,
  throwIfAborted,
  UnsupportedError,
  type Value,
  type WorkOptions,
} from "@residual/core";
import { keyOf } from "../decide/layer.ts";
import { strategiesFor } from "../decide/strategies.ts";
import { type ChosenLayer, type Lowered, lowerToPlan } from "../lower/lower.ts";
import type { Dispatch } from "../lower/plan.ts";
import type { Gpu } from "./gpu.ts";
import { answered, type Calls, guarded } from "./guard.ts";
import { loadPlan, type PreparedPlan } from "./memory.ts";
import { encodeSteps } from "./run.ts";
import { checkKernels } from "./self-test.ts";

export interface TuneOptions extends WorkOptions {
  /** The batch size for a graph whose batch is open. Default 1 */
  readonly batch?: number;
}

/** A layer, and its measured times. */
export interface TunedLayer {
  /** The name of the first of the nodes that differ only in their weights. */
  readonly name: string;
  /** The number of these nodes. */
  readonly count: number;
  readonly op: string;
  readonly shape: readonly number[];
  /** The strategy without tuning. */
  readonly before: Timed;
  /** The strategy with tuning. */
  readonly after: Timed;
  /**
   * Every strategy that can compute the layer. `ms` is the median of its runs, or its only run if it was too slow to
   * repeat.
   */
  readonly tried: readonly Timed[];
}

/** A strategy, its dispatches, and the median of their time in milliseconds. */
export interface Timed {
  readonly strategy: string;
  readonly kernels: string;
  readonly ms: number;
}

/** The timed rounds. Each round times every strategy once. */
const ROUNDS = 7;

/**
 * The minimum duration of a measurement, in milliseconds and in round trips to the device. The time of a round trip is
 * subtracted from each measurement.
 */
const MEASURED = { ms: 4, roundTrips: 2 };

/** A strategy whose first run takes this many times as long as the fastest strategy's is not timed further. */
const HOPELESS = 3;

/** The share of time that another strategy must save to be chosen, so that noise does not decide. */
const WORTH = 0.03;

/**
 * Times each strategy for each convolution and linear layer of a graph. A layer's strategies run alone and in turn: A B
 * C A B C …. The fastest are put into `gpu.tuned` once all layers are timed. Layers that differ only in their weights
 * are timed once. Throws UnsupportedError for open parameters.
 */
export async function tuneGraph(
  gpu: Gpu,
  given: Graph,
  { signal, onProgress, batch = 1 }: TuneOptions,
): Promise<readonly TunedLayer[]> {
  const [open] = parametersOf(given);
  if (open)
    throw new UnsupportedError(`webgpu: parameters of ${given.name} are open (${open.name}, …); bind them first`);
  const layers = layersOf(lowerToPlan(optimize(given), batch, gpu.profile));
  const found: { readonly key: string; readonly layer: TunedLayer }[] = [];
  for (const [key, nodes] of layers) {
    onProgress?.({ stage: `tune ${given.name}`, done: found.length, total: layers.size });
    throwIfAborted(signal);
    const layer = await guarded(gpu.shared, nodes[0]!.name, (calls) => tuneLayer(gpu, calls, nodes, batch, signal));
    found.push({ key, layer });
  }
  onProgress?.({ stage: `tune ${given.name}`, done: layers.size, total: layers.size });
  for (const { key, layer } of found) gpu.tuned.set(key, layer.after.strategy);
  return found.map(({ layer }) => layer);
}

/** The nodes of layers with the same key, by the key. Layers whose weights are computed in each run are left out. */
function layersOf({ layers }: Lowered): ReadonlyMap<string, readonly AnyNode[]> {
  const nodes = new Map<string, AnyNode[]>();
  for (const { node, layer } of layers) {
    if (!["constant", "variable"].includes(node.inputs.weight!.kind)) continue;
    nodes.set(keyOf(layer), [...(nodes.get(keyOf(layer)) ?? []), node]);
  }
  return nodes;
}

/** A strategy with its memory on the device, and the times of its runs in milliseconds. */
interface Contender extends Omit<Timed, "ms"> {
  readonly ready: PreparedPlan;
  readonly steps: PreparedPlan["steps"];
  readonly costs: number[];
}

async function tuneLayer(
  gpu: Gpu,
  calls: Calls,
  nodes: readonly AnyNode[],
  batch: number,
  signal: WorkOptions["signal"],
): Promise<TunedLayer> {
  const [node] = nodes as [AnyNode];
  const contenders: Contender[] = [];
  try {
    for (const lowered of await lowerings(gpu, alone(node, batch), batch)) {
      throwIfAborted(signal);
      contenders.push(await contend(gpu, lowered));
    }
    const [first] = contenders as [Contender];
    const left = await race(gpu, calls, contenders, signal);
    const quickest = left.toSorted((a, b) => median(a.costs) - median(b.costs))[0]!;
    const isWorth = median(quickest.costs) < (1 - WORTH) * median(first.costs);
    const timed = ({ strategy, kernels, costs }: Contender): Timed => ({ strategy, kernels, ms: median(costs) });
    const alike = { name: node.name, count: nodes.length, op: node.op, shape: concrete(node.shape, batch) };
    const [before, after] = [timed(first), timed(isWorth ? quickest : first)];
    return { ...alike, tried: contenders.map(timed), before, after };
  } finally {
    for (const { ready } of contenders) ready.destroy();
  }
}

/**
 * The layer's plan for each strategy that can compute it. The first plan has the strategy that is chosen without
 * tuning.
 */
async function lowerings(gpu: Gpu, of: Graph, batch: number): Promise<readonly Lowered[]> {
  const all = () => {
    const { tuned: _, ...profile } = gpu.profile;
    const untuned = lowerToPlan(of, batch, profile);
    const [{ layer, strategy }] = untuned.layers as [ChosenLayer];
    const others = strategiesFor(profile, layer).filter((each) => each !== strategy);
    return [untuned, ...others.map((each) => lowerToPlan(of, batch, { ...profile, strategies: [each] }))];
  };
  let found = all();
  for (let i = 0; i < found.length; i++) {
    if (await checkKernels(gpu, found[i]!)) continue;
    found = all(); // checkKernels has replaced the profile
    i = -1;
  }
  return found;
}

/**
 * Prepares a strategy. Its steps leave out the changes of order before and after the layer, which do not occur inside a
 * network.
 */
async function contend(gpu: Gpu, lowered: Lowered): Promise<Contender> {
  const { plan, layers } = lowered;
  const isOwn = ({ kernel }: Dispatch) => !/^(un)?pack\b/.test(kernel);
  const ready = await loadPlan(gpu, lowered);
  const steps = ready.steps.filter((_, i) => isOwn(plan.dispatches[i]!));
  const launches = plan.dispatches.filter(isOwn).map(({ kernel, workgroups }) => `${kernel} ${workgroups.join("×")}`);
  return { strategy: layers[0]!.strategy.name, kernels: launches.join(" + "), ready, steps, costs: [] };
}

/** Times all contenders once, then the fast ones in rounds. Returns the fast ones, and always the first contender. */
async function race(
  gpu: Gpu,
  calls: Calls,
  contenders: readonly Contender[],
  signal: WorkOptions["signal"],
): Promise<readonly Contender[]> {
  const idle = Math.min(await timeOf(gpu, calls, [], 1), await timeOf(gpu, calls, [], 1));
  const measured = Math.max(MEASURED.ms, MEASURED.roundTrips * idle);
  const workOf = async ({ steps }: Contender, times: number) =>
    Math.max(1e-3, (await timeOf(gpu, calls, steps, times)) - idle);
  for (const contender of contenders) {
    throwIfAborted(signal);
    await workOf(contender, 1); // software adapters compile a kernel when it first runs
    contender.costs.push(await workOf(contender, 1));
  }
  const sights = contenders.map(({ costs: [sight] }) => sight!);
  const left = contenders.filter((_, i) => i === 0 || sights[i]! < HOPELESS * Math.min(...sights));
  const times = left.map(({ costs }) => Math.min(100, Math.ceil(measured / costs.pop()!)));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, contender] of left.entries()) {
      throwIfAborted(signal);
      contender.costs.push((await workOf(contender, times[i]!)) / times[i]!);
    }
  }
  return left;
}

/**
 * Wall time in milliseconds of `times` runs in one submit, including the round trip to the device. In Deno a round trip
 * takes 11 ms, of which Deno sleeps for 10 ms.
 */
async function timeOf({ device }: Gpu, calls: Calls, steps: Contender["steps"], times: number): Promise<number> {
  const commands = calls(() => {
    const encoder = device.createCommandEncoder();
    encodeSteps(encoder, Array.from({ length: times }, () => steps).flat());
    return encoder.finish();
  });
  const start = performance.now();
  const done = calls(() => {
    device.queue.submit([commands]);
    return device.queue.onSubmittedWorkDone();
  });
  await answered(done);
  return performance.now() - start;
}

function median(costs: readonly number[]): number {
  return costs.toSorted((a, b) => a - b)[Math.floor(costs.length / 2)]!;
}

/** The graph of a single node. Results of other nodes become inputs, and variables become constants. */
function alone(node: AnyNode, batch: number): Graph {
  const declared: { [name: string]: Input } = {};
  const entries = Object.entries(node.inputs).map(([name, value]): [string, Value] => {
    if (value.kind === "constant") return [name, value];
    if (value.kind === "variable") return [name, constant(value.name, value.source)]; // also packed only once
    declared[name] = input(name, concrete(value.shape, batch));
    return [name, declared[name]];
  });
  const y: AnyNode = { ...node, shape: concrete(node.shape, batch), inputs: Object.fromEntries(entries) };
  return graph({ name: node.name, inputs: declared, outputs: { y } });
}
