import {
  concrete,
  type LoadedGraph,
  mapValues,
  type RowRange,
  type RunOptions,
  readRows,
  rowSize,
  rowsIn,
  type Signal,
  type Source,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import { type Call, callsOf, warmUpCalls } from "./calls.ts";
import { type Addresses, addressesOf, kernelsOf, type Load, type Plan } from "./plan.ts";
import type { Runner } from "./runner.ts";

/** Bytes of a source read at a time, or one task of the packing kernel if that is more. */
const STAGED = 1 << 20;

/**
 * Work of each kernel that `compile` does in advance, so that the engine begins to optimize. Ten times as much would
 * save 7 ms of ResNet-18's first run, and take 20 ms.
 */
const WARM_UP = 1_000_000;

/** Bytes that a plan needs for runs of a batch of one, and for loading. */
export function bytesToLoad(plan: Plan, threads: number): number {
  const { end, modelEnd } = addressesOf(plan, 1, threads);
  return Math.max(end, modelEnd + Math.max(0, ...plan.loads.map(stagedBytes)));
}

/** A plan in memory, without its constants' sources. */
export class WasmModel implements LoadedGraph<"float32"> {
  readonly #plan: Omit<Plan, "loads">;
  readonly #runner: Runner;
  /** Addresses for the batch of the last run. */
  #batch = 1;
  #addresses: Addresses;
  #calls: readonly Call[];

  private constructor({ places, steps, inputs, variables, outputs, updates }: Plan, runner: Runner) {
    this.#plan = { places, steps, inputs, variables, outputs, updates };
    this.#runner = runner;
    this.#addresses = addressesOf(this.#plan, 1, runner.threads);
    this.#calls = callsOf(this.#plan, this.#addresses, 1);
  }

  /** Fills the runner's memory. If that fails, the runner is closed. */
  static async load(plan: Plan, runner: Runner, work: WorkOptions): Promise<WasmModel> {
    try {
      await runner.add(kernelsOf(plan));
      const model = new WasmModel(plan, runner);
      await model.#bringAllIn(plan, work);
      await model.#warmUp(work);
      return model;
    } catch (error) {
      await runner.close();
      throw error;
    }
  }

  async #bringAllIn({ loads, variables }: Plan, { signal, onProgress }: WorkOptions): Promise<void> {
    for (const [done, load] of loads.entries()) {
      await this.#bringIn(load, signal);
      onProgress?.({ stage: "load", done: done + 1, total: loads.length });
    }
    for (const { variable, place } of variables) await this.#fill(variable.source, this.#addresses.of[place]!, signal);
  }

  /** Reads a constant part by part, and packs each part. */
  async #bringIn(
    { constant: { source }, place, images, kernel, block }: Load,
    signal: Signal | undefined,
  ): Promise<void> {
    const { of, modelEnd } = this.#addresses;
    const to = of[place]!;
    if (!kernel) return this.#fill(source, to, signal);
    const [row, rows] = [4 * rowSize(source), rowsIn(source)];
    const step = block === undefined ? rows : stagedRows(row, block);
    for (let first = 0; first < rows; first += step) {
      const end = Math.min(first + step, rows);
      await this.#write(source, modelEnd, { first, end }, signal);
      const values = [modelEnd - first * row, to, 0, images];
      const calls = kernel.phases(images).map(({ function: name, first: start = 0, tasks }): Call => {
        const range = block === undefined ? [start, start + tasks] : [first / block, Math.ceil(end / block)];
        const work = Math.max(1, (kernel.work * images) / tasks);
        return { kernel: kernel.name, function: name, values, first: range[0]!, end: range[1]!, work };
      });
      await this.#runner.run(calls, signal);
    }
  }

  /** Copies rows unchanged, part by part. */
  async #fill(source: Source, address: number, signal: Signal | undefined): Promise<void> {
    const [row, rows] = [4 * rowSize(source), rowsIn(source)];
    const step = stagedRows(row, 1);
    for (let first = 0; first < rows; first += step)
      await this.#write(source, address + first * row, { first, end: Math.min(first + step, rows) }, signal);
  }

  async #write(source: Source, address: number, rows: RowRange, signal: Signal | undefined): Promise<void> {
    throwIfAborted(signal);
    const length = (rows.end - rows.first) * rowSize(source);
    await this.#runner.write(address, length, (into) => readRows(source, into, rows));
  }

  async #warmUp({ signal, onProgress }: WorkOptions): Promise<void> {
    const calls = warmUpCalls(this.#calls, WARM_UP);
    for (const [done, call] of calls.entries()) {
      await this.#runner.run([call], signal);
      onProgress?.({ stage: "warm up", done: done + 1, total: calls.length });
    }
  }

  async run(
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { batch, signal }: RunOptions,
  ): Promise<{ [name: string]: Tensor<"float32"> }> {
    await this.#prepare(batch);
    for (const [name, place] of Object.entries(this.#plan.inputs)) {
      const { data } = inputs[name]!;
      await this.#runner.write(this.#addresses.of[place]!, data.length, (into) => into.set(data));
    }
    await this.#runner.run(this.#calls, signal);
    return this.#read(mapValues(this.#plan.outputs, ({ place, shape }) => ({ place, shape: concrete(shape, batch) })));
  }

  /** Grows the memory for a batch. */
  async #prepare(batch: number): Promise<void> {
    if (batch === this.#batch) return;
    const addresses = addressesOf(this.#plan, batch, this.#runner.threads);
    await this.#runner.reserve(addresses.end);
    [this.#batch, this.#addresses] = [batch, addresses];
    this.#calls = callsOf(this.#plan, addresses, batch);
  }

  async #read(values: {
    readonly [name: string]: { readonly place: number; readonly shape: readonly number[] };
  }): Promise<{ [name: string]: Tensor<"float32"> }> {
    const found: { [name: string]: Tensor<"float32"> } = {};
    for (const [name, { place, shape }] of Object.entries(values))
      found[name] = tensorOf("float32", shape, await this.#runner.read(this.#addresses.of[place]!, sizeOf(shape)));
    return found;
  }

  commit(): void {
    const { of } = this.#addresses;
    const moves = this.#plan.updates.map(({ variable, place }) => {
      const { place: held } = this.#plan.variables.find((each) => each.variable === variable)!;
      return { from: of[place]!, to: of[held]!, length: sizeOf(variable.shape) };
    });
    this.#runner.move(moves);
  }

  async read(names: readonly string[]): Promise<{ [name: string]: Tensor<"float32"> }> {
    const wanted = this.#plan.variables.filter(({ variable }) => names.includes(variable.name));
    return this.#read(
      Object.fromEntries(wanted.map(({ variable: { name, shape }, place }) => [name, { place, shape }])),
    );
  }

  dispose(): Promise<void> {
    return this.#runner.close();
  }
}

/** Rows read at a time: whole blocks. */
function stagedRows(rowBytes: number, block: number): number {
  return block * Math.max(1, Math.floor(STAGED / (block * rowBytes)));
}

function stagedBytes({ constant: { source }, kernel, block }: Load): number {
  if (!kernel) return 0;
  const whole = 4 * sizeOf(source.shape);
  return block === undefined ? whole : Math.min(whole, Math.max(STAGED, 4 * block * rowSize(source)));
}
