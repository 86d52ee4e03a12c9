import {
  type AnyNode,
  concrete,
  constant,
  type Graph,
  graph,
  type Input,
  input,
  nodesOf,
  optimize,
  parametersOf,
  throwIfAborted,
  UnsupportedError,
  type Value,
  type WorkOptions,
} from "@residual/core";
import type { Choice } from "./choice.ts";
import type { Gpu } from "./device.ts";
import { answered, type Calls, guarded } from "./guard.ts";
import { type Lowered, lowerToPlan } from "./lower.ts";
import { loadPlan, type PreparedPlan } from "./memory.ts";
import type { Plan } from "./plan.ts";
import { type Candidate, candidatesOf, keyOf, layerOf } from "./tuning.ts";
import { checkKernels } from "./verify.ts";

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
  /** Ways that were timed; those that come to the same dispatches are one. */
  readonly tried: number;
}

/** Kernels, and how long they take: the median, in milliseconds. */
export interface Timed {
  readonly kernels: string;
  readonly ms: number;
}

/** Turns of each way. */
const ROUNDS = 7;

/** What one measurement takes at least, in milliseconds, so that the round trip to the device is little of it. */
const MEASURED = 4;

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
  const layers = [...layersOf(optimize(given), batch)];
  const found: { readonly key: string; readonly way: string | undefined; readonly layer: TunedLayer }[] = [];
  for (const [done, [key, nodes]] of layers.entries()) {
    onProgress?.({ stage: `tune ${given.name}`, done, total: layers.length });
    throwIfAborted(signal);
    const { way, layer } = await guarded(gpu.shared, nodes[0]!.name, (calls) =>
      tuneLayer(gpu, calls, nodes, batch, signal),
    );
    found.push({ key, way, layer });
  }
  onProgress?.({ stage: `tune ${given.name}`, done: layers.length, total: layers.length });
  for (const { key, way } of found) gpu.tuned.set(key, way ?? UNTUNED);
  return found.map(({ layer }) => layer);
}

/** In the place of a way: what is taken where nothing was measured is the quickest. No candidate has this name. */
const UNTUNED = "";

/** The nodes of each kind of layer, by its key. */
function layersOf(of: Graph, batch: number): ReadonlyMap<string, readonly AnyNode[]> {
  const layers = new Map<string, AnyNode[]>();
  for (const node of nodesOf(of)) {
    const layer = layerOf(node, batch);
    const kind = node.inputs.weight?.kind;
    if (!layer || (kind !== "constant" && kind !== "variable")) continue;
    layers.set(keyOf(layer), [...(layers.get(keyOf(layer)) ?? []), node]);
  }
  return layers;
}

/** A way with its memory, and the costs of its runs. */
interface Contender {
  readonly name: string | undefined;
  readonly kernels: string;
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
): Promise<{ readonly way: string | undefined; readonly layer: TunedLayer }> {
  const [node] = nodes as [AnyNode];
  const contenders: Contender[] = [];
  try {
    for (const { name, lowered } of await waysOf(gpu, alone(node, batch), batch)) {
      throwIfAborted(signal);
      contenders.push(await contend(gpu, name, lowered));
    }
    const [first] = contenders as [Contender];
    const left = await race(gpu, calls, contenders, signal);
    const quickest = left.toSorted((a, b) => median(a.costs) - median(b.costs))[0]!;
    const isWorth = median(quickest.costs) < (1 - WORTH) * median(first.costs);
    const best = isWorth ? quickest : first;
    const timed = ({ kernels, costs }: Contender): Timed => ({ kernels, ms: median(costs) });
    const alike = { name: node.name, count: nodes.length, op: node.op, shape: concrete(node.shape, batch) };
    return { way: best.name, layer: { ...alike, tried: contenders.length, before: timed(first), after: timed(best) } };
  } finally {
    for (const { ready } of contenders) ready.destroy();
  }
}

/** The untuned way first, then every other that comes to other dispatches. */
async function waysOf(
  gpu: Gpu,
  of: Graph,
  batch: number,
): Promise<readonly { readonly name: string | undefined; readonly lowered: Lowered }[]> {
  const lower = (choice: Choice) => lowerToPlan(of, batch, { ...choice, tuned: new Map() });
  const all = () => [{ name: undefined, choice: gpu.choice }, ...candidatesOf(gpu.choice)];
  for (const { choice } of all()) await checkKernels(gpu, lower(choice).plan);
  const ways = new Map<string, { name: Candidate["name"] | undefined; lowered: Lowered }>();
  for (const { name, choice } of all()) {
    const lowered = lower(choice);
    const kernels = textOf(lowered.plan);
    if (!ways.has(kernels)) ways.set(kernels, { name, lowered });
  }
  return [...ways.values()];
}

async function contend(gpu: Gpu, name: string | undefined, lowered: Lowered): Promise<Contender> {
  const ready = await loadPlan(gpu, lowered);
  const steps = ready.steps.filter((_, i) => isOwn(lowered.plan.dispatches[i]!));
  return { name, kernels: textOf(lowered.plan), ready, steps, costs: [] };
}

/** Not the change of order on the way in and out, which inside of a network there is none of. */
function isOwn({ kernel }: Plan["dispatches"][number]): boolean {
  return !/^(un)?pack\b/.test(kernel.name);
}

function textOf({ dispatches }: Plan): string {
  return dispatches
    .filter(isOwn)
    .map(({ kernel, workgroups }) => `${kernel.name} ${workgroups.join("×")}`)
    .join(" + ");
}

/** Those that were worth timing, the first always, with their costs. */
async function race(
  gpu: Gpu,
  calls: Calls,
  contenders: readonly Contender[],
  signal: WorkOptions["signal"],
): Promise<readonly Contender[]> {
  const sights = new Map<Contender, number>();
  for (const contender of contenders) {
    throwIfAborted(signal);
    await timeOf(gpu, calls, contender, 1); // compiles, on software adapters
    sights.set(contender, await timeOf(gpu, calls, contender, 1));
  }
  const least = Math.min(...sights.values());
  const left = contenders.filter((each, i) => i === 0 || sights.get(each)! < HOPELESS * least);
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of left) {
      throwIfAborted(signal);
      const times = Math.min(100, Math.ceil(MEASURED / Math.max(sights.get(contender)!, 1e-3)));
      contender.costs.push((await timeOf(gpu, calls, contender, times)) / times);
    }
  }
  return left;
}

/** Wall time, in milliseconds, of some runs in one submit. */
async function timeOf({ device }: Gpu, calls: Calls, { steps }: Contender, times: number): Promise<number> {
  const commands = calls(() => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let run = 0; run < times; run++) {
      for (const { pipeline, group, workgroups } of steps) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
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
