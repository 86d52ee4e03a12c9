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
  /** Of a graph whose batch is open. 1 */
  readonly batch?: number;
}

/** A layer, and what was measured of it. */
export interface TunedLayer {
  /** The first of the nodes that are alike in all but their weights, and how many there are. */
  readonly name: string;
  readonly count: number;
  readonly op: string;
  readonly shape: readonly number[];
  /** As it is run where nothing is tuned. */
  readonly before: Timed;
  readonly after: Timed;
  /** Every strategy that can compute it: the median of its runs, or one run where that was hopeless. */
  readonly tried: readonly Timed[];
}

/** A strategy, its dispatches, and how long they take: the median, in milliseconds. */
export interface Timed {
  readonly strategy: string;
  readonly kernels: string;
  readonly ms: number;
}

/** Turns of each way. */
const ROUNDS = 7;

/** What one measurement takes at least, in milliseconds and in round trips to the device, which are subtracted. */
const MEASURED = { ms: 4, roundTrips: 2 };

/** Times the quickest at first sight that others may take, to be worth a second look. */
const HOPELESS = 3;

/** What a way has to save, so that noise does not decide. */
const WORTH = 0.03;

/**
 * Times each way to run each convolution and linear layer of a graph, alone and in turn, A B C A B C …, and puts the
 * quickest into `gpu.tuned` once all are known. Layers alike are timed once. Throws UnsupportedError for open
 * parameters.
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

/** The nodes of each kind of layer, by its key. Weights that a run computes are left out. */
function layersOf({ layers }: Lowered): ReadonlyMap<string, readonly AnyNode[]> {
  const nodes = new Map<string, AnyNode[]>();
  for (const { node, layer } of layers) {
    if (!["constant", "variable"].includes(node.inputs.weight!.kind)) continue;
    nodes.set(keyOf(layer), [...(nodes.get(keyOf(layer)) ?? []), node]);
  }
  return nodes;
}

/** A strategy with its memory on the device, and the costs of its runs. */
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

/** A layer by each strategy that can compute it: first the one that is chosen where nothing is tuned. */
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
    found = all(); // those of another profile
    i = -1;
  }
  return found;
}

/** Without the changes of order on the way in and out, which inside of a network there are none of. */
async function contend(gpu: Gpu, lowered: Lowered): Promise<Contender> {
  const { plan, layers } = lowered;
  const isOwn = ({ kernel }: Dispatch) => !/^(un)?pack\b/.test(kernel);
  const ready = await loadPlan(gpu, lowered);
  const steps = ready.steps.filter((_, i) => isOwn(plan.dispatches[i]!));
  const launches = plan.dispatches.filter(isOwn).map(({ kernel, workgroups }) => `${kernel} ${workgroups.join("×")}`);
  return { strategy: layers[0]!.strategy.name, kernels: launches.join(" + "), ready, steps, costs: [] };
}

/** Those that were worth timing, the first always. All have their costs afterwards. */
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
    await workOf(contender, 1); // compiles, on software adapters
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
 * Wall time, in milliseconds, of some runs in one submit, with the round trip to the device: 11 ms in Deno, of which it
 * sleeps for 10.
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

/** A node as a graph: results of other nodes are its inputs, and variables are constants. */
function alone(node: AnyNode, batch: number): Graph {
  const declared: { [name: string]: Input } = {};
  const entries = Object.entries(node.inputs).map(([name, value]): [string, Value] => {
    if (value.kind === "constant") return [name, value];
    if (value.kind === "variable") return [name, constant(value.name, value.source)]; // packed once, as between updates
    declared[name] = input(name, concrete(value.shape, batch));
    return [name, declared[name]];
  });
  const y: AnyNode = { ...node, shape: concrete(node.shape, batch), inputs: Object.fromEntries(entries) };
  return graph({ name: node.name, inputs: declared, outputs: { y } });
}
