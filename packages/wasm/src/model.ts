import {
  concrete,
  type LoadedGraph,
  mapValues,
  type RunOptions,
  readRows,
  rowSize,
  rowsIn,
  type Source,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  type Variable,
  type WorkOptions,
} from "@residual/core";
import type { Target } from "./encode/module.ts";
import { Engine } from "./engine.ts";
import { type Addresses, addressesOf, imagesIn, type Load, type Plan } from "./plan.ts";

/** Bytes of a source that are staged at a time, if a task of the kernel that packs them takes no more. */
const STAGED = 1 << 20;

/** Milliseconds after which a run lets others have the thread. */
const TURN = 10;

/** A plan in memory. */
export class WasmModel implements LoadedGraph<"float32"> {
  readonly #plan: Plan;
  #engine: Engine | undefined;
  /** For the batch of the last run. */
  #batch = 1;
  #addresses: Addresses;

  private constructor(plan: Plan, engine: Engine, addresses: Addresses) {
    this.#plan = plan;
    this.#engine = engine;
    this.#addresses = addresses;
  }

  static async load(plan: Plan, target: Target, work: WorkOptions): Promise<WasmModel> {
    const addresses = addressesOf(plan, 1);
    const staging = Math.max(0, ...plan.loads.map(stagedBytes));
    const engine = new Engine(target, Math.max(addresses.end, addresses.modelEnd + staging));
    const packers = plan.loads.flatMap(({ kernel }) => kernel ?? []);
    await engine.add([...plan.steps.map(({ kernel }) => kernel), ...packers]);
    const model = new WasmModel(plan, engine, addresses);
    let done = 0;
    for (const load of plan.loads) {
      throwIfAborted(work.signal);
      await model.#bringIn(load);
      work.onProgress?.({ stage: "load", done: ++done, total: plan.loads.length });
    }
    for (const { variable, place } of plan.variables) await model.#fill(variable.source, addresses.of[place]!);
    return model;
  }

  /** Reads a constant, part by part, and packs each. */
  async #bringIn({ constant: { source }, place, kernel, block }: Load): Promise<void> {
    const { of, modelEnd } = this.#addresses;
    const to = of[place]!;
    if (!kernel) return this.#fill(source, to);
    const [row, rows] = [4 * rowSize(source), rowsIn(source)];
    const step = block === undefined ? rows : block * Math.max(1, Math.floor(STAGED / (block * row)));
    for (let first = 0; first < rows; first += step) {
      const end = Math.min(first + step, rows);
      await readRows(source, this.#memory.numbers(modelEnd, ((end - first) * row) / 4), { first, end });
      for (const { function: name, tasks } of kernel.phases(imagesOfLoad(block, source))) {
        const range = block === undefined ? [0, tasks] : [first / block, Math.ceil(end / block)];
        const from = modelEnd - first * row;
        this.#memory.call(kernel.name, name, [from, to, 0, imagesOfLoad(block, source), ...range]);
      }
    }
  }

  async #fill(source: Source, address: number): Promise<void> {
    await readRows(source, this.#memory.numbers(address, sizeOf(source.shape)));
  }

  get #memory(): Engine {
    return this.#engine!; // the shell runs nothing after dispose
  }

  async run(
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { batch, signal }: RunOptions,
  ): Promise<{ [name: string]: Tensor<"float32"> }> {
    this.#prepare(batch);
    const { of, scratch } = this.#addresses;
    for (const [name, place] of Object.entries(this.#plan.inputs)) {
      const { data } = inputs[name]!;
      this.#memory.numbers(of[place]!, data.length).set(data);
    }
    let turn = performance.now();
    for (const [at, { kernel, images: own, reads, writes }] of this.#plan.steps.entries()) {
      if (performance.now() - turn > TURN) {
        await nextTurn();
        throwIfAborted(signal);
        turn = performance.now();
      }
      const images = imagesIn(own, batch);
      const pointers = [...reads, writes].map((place) => of[place]!);
      for (const { function: name, first = 0, tasks } of kernel.phases(images))
        this.#memory.call(kernel.name, name, [...pointers, scratch[at]!, images, first, first + tasks]);
    }
    return mapValues(this.#plan.outputs, ({ place, shape }) => this.#read(place, concrete(shape, batch)));
  }

  /** Memory for a batch. */
  #prepare(batch: number): void {
    if (batch === this.#batch) return;
    const addresses = addressesOf(this.#plan, batch);
    this.#memory.reserve(addresses.end);
    [this.#batch, this.#addresses] = [batch, addresses];
  }

  #read(place: number, shape: readonly number[]): Tensor<"float32"> {
    return tensorOf("float32", shape, this.#memory.numbers(this.#addresses.of[place]!, sizeOf(shape)).slice());
  }

  /** All updates see the variables from before. */
  commit(): void {
    const { of } = this.#addresses;
    const next = this.#plan.updates.map(({ variable, place }) => ({
      to: this.#placeOf(variable),
      numbers: this.#memory.numbers(of[place]!, sizeOf(variable.shape)).slice(),
    }));
    for (const { to, numbers } of next) this.#memory.numbers(of[to]!, numbers.length).set(numbers);
  }

  #placeOf(wanted: Variable): number {
    return this.#plan.variables.find(({ variable }) => variable === wanted)!.place;
  }

  async read(names: readonly string[]): Promise<{ [name: string]: Tensor<"float32"> }> {
    const wanted = this.#plan.variables.filter(({ variable }) => names.includes(variable.name));
    return Object.fromEntries(wanted.map(({ variable: { name, shape }, place }) => [name, this.#read(place, shape)]));
  }

  async dispose(): Promise<void> {
    this.#engine = undefined; // its memory goes with it
  }
}

/** Images of a constant that is converted; weights are packed as one. */
function imagesOfLoad(block: number | undefined, { shape }: Source): number {
  if (block !== undefined) return 1;
  return shape.length === 4 || shape.length === 2 ? shape[0]! : 1;
}

function stagedBytes({ constant: { source }, kernel, block }: Load): number {
  if (!kernel) return 0;
  const whole = 4 * sizeOf(source.shape);
  return block === undefined ? whole : Math.min(whole, Math.max(STAGED, 4 * block * rowSize(source)));
}

declare class MessageChannel {
  readonly port1: { onmessage: (() => void) | null; close(): void };
  readonly port2: { postMessage(message: undefined): void };
}
declare const performance: { now(): number };

/** A timer would wait for a millisecond or more. */
function nextTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
