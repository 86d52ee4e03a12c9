import {
  type Graph,
  type LoadedGraph,
  type RunOptions,
  type Tensor,
  throwIfAborted,
  variablesOf,
  type WorkOptions,
} from "@residual/core";
import { isFloat16, type Memory } from "../kernels/kernel.ts";
import { type Lowered, lowerToPlan } from "../lower/lower.ts";
import type { DeviceBuffers } from "./buffers.ts";
import type { Gpu } from "./gpu.ts";
import { type Calls, guarded, scoped } from "./guard.ts";
import {
  allocateVariables,
  allocateWeights,
  constantUploads,
  type PreparedPlan,
  preparePlan,
  type SharedMemory,
  upload,
  variableUploads,
} from "./memory.ts";
import { checkResults } from "./range.ts";
import { commitUpdates, type Given, packVariables, readBack, readBuffers, runPlan } from "./run.ts";
import { checkKernels } from "./self-test.ts";
import { spotCheckOf } from "./spot-check.ts";
import { napping } from "./wait.ts";

/** A plan, and its kernels by name. */
type Programmed = Pick<Lowered, "plan" | "kernels">;

/** A graph on a device. Runs share memory, so only one run may be in progress. */
export class WebgpuModel implements LoadedGraph<"float32"> {
  readonly #gpu: Gpu;
  readonly #graph: Graph;
  /** Constants and packed variables, in the orders of kernels. These may differ by batch. */
  #weights: SharedMemory["weights"] = new Map();
  /** What the weights lie in. Another profile may use another kind of memory. */
  #memory: Memory | undefined;
  /** In the host's order, which does not depend on the batch. Undefined until the model is loaded. */
  #variables: SharedMemory["variables"] | undefined;
  /** The plan for the batch of the last run, with its memory. */
  #prepared: PreparedPlan | undefined;
  #ofOne: Programmed | undefined;
  /** Rejects if the device refused the last updates of variables. */
  #committed: Promise<void> | undefined;
  readonly #release: () => void;

  private constructor(gpu: Gpu, graph: Graph, release: () => void) {
    this.#gpu = gpu;
    this.#graph = graph;
    this.#release = release;
  }

  /**
   * Loads a graph onto a device. `release` is called when the model is disposed, or if it cannot be loaded. Throws
   * errors of the device, and of the sources of constants and variables.
   */
  static async load(gpu: Gpu, graph: Graph, options: WorkOptions, release: () => void): Promise<WebgpuModel> {
    const model = new WebgpuModel(gpu, graph, release);
    try {
      const { plan, kernels } = await model.#preparedFor(1, options);
      model.#ofOne = { plan, kernels };
      return model;
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /** The plan for a batch of one, and its kernels. */
  get ofOne(): Programmed {
    const { plan, kernels } = this.#ofOne ?? lowerToPlan(this.#graph, 1, this.#gpu.profile);
    return { plan, kernels };
  }

  async run(
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { batch, signal }: RunOptions,
  ): Promise<{ [name: string]: Tensor<"float32"> }> {
    const prepared = await this.#preparedFor(batch);
    const given = Object.entries(inputs).map(([name, { data }]): Given => ({ name, data }));
    const results = await guarded(this.#gpu.shared, "a run", async (calls) => {
      using check = spotCheckOf(this.#gpu, calls, prepared);
      await runPlan(this.#gpu, calls, prepared, { inputs: given, signal, copies: check?.copies });
      const read = await readBack(calls, prepared);
      await check?.verify();
      return read;
    });
    if (isFloat16(this.#gpu.profile.memory)) checkResults(this.#graph, inputs, results);
    return results;
  }

  /** As `run`, but from and to buffers of the device. */
  async runOnDevice({ inputs, outputs }: DeviceBuffers, { batch, signal }: RunOptions): Promise<void> {
    const prepared = await this.#preparedFor(batch);
    const given = Object.entries(inputs).map(([name, buffer]): Given => ({ name, buffer }));
    await guarded(this.#gpu.shared, "a run", async (calls) => {
      using check = spotCheckOf(this.#gpu, calls, prepared);
      await runPlan(this.#gpu, calls, prepared, { inputs: given, outputs, signal, copies: check?.copies });
      await check?.verify();
    });
  }

  commit(): void {
    const prepared = this.#prepared;
    if (!prepared) return;
    const { verdict } = scoped(this.#gpu.device, () => commitUpdates(this.#gpu, prepared));
    this.#committed = verdict; // the next run or read throws it
  }

  async read(names: readonly string[]): Promise<{ [name: string]: Tensor<"float32"> }> {
    await this.#ready();
    const wanted = variablesOf(this.#graph).flatMap(({ name, shape }) => {
      const from = names.includes(name) && this.#variables?.get(name);
      return from ? [{ name, shape, from }] : [];
    });
    return readBuffers(this.#gpu, wanted);
  }

  async dispose(): Promise<void> {
    this.#freePlan();
    for (const each of this.#variables?.values() ?? []) each.destroy();
    this.#variables = undefined;
    this.#release();
  }

  /** Throws if the device is lost, or if it refused the last updates of variables. */
  async #ready(): Promise<void> {
    const { shared } = this.#gpu;
    shared.check();
    const committed = this.#committed;
    if (committed) await guarded(shared, "the update of variables", () => committed);
  }

  /** The plan for a batch, with its memory. The memory of another batch's plan is freed. */
  async #preparedFor(batch: number, options: WorkOptions = {}): Promise<PreparedPlan> {
    await this.#ready();
    if (this.#prepared?.batch === batch && isTrusted(this.#gpu, this.#prepared)) return this.#prepared;
    this.#prepared?.destroy();
    this.#prepared = undefined;
    try {
      return await guarded(this.#gpu.shared, this.#graph.name, (calls) => this.#prepare(calls, batch, options));
    } catch (error) {
      this.#freePlan();
      throw error;
    }
  }

  async #prepare(calls: Calls, batch: number, { signal, onProgress }: WorkOptions): Promise<PreparedPlan> {
    const gpu = this.#gpu;
    let lowered = lowerToPlan(this.#graph, batch, gpu.profile);
    while (!(await checkKernels(gpu, lowered, { signal, onProgress }))) {
      lowered = lowerToPlan(this.#graph, batch, gpu.profile);
    }
    throwIfAborted(signal);
    if (this.#memory !== gpu.profile.memory) this.#freeWeights();
    this.#memory = gpu.profile.memory;
    const before = this.#weights;
    const weights = calls(() => allocateWeights(gpu, lowered, before));
    this.#weights = weights;
    const variables = this.#variables ?? calls(() => allocateVariables(gpu, lowered));
    const uploads = [
      ...constantUploads(lowered, weights, before),
      ...(this.#variables ? [] : variableUploads(lowered, variables)),
    ];
    this.#variables = variables;
    const preparing = preparePlan(gpu, calls, lowered, batch, { weights, variables });
    preparing.catch(() => {}); // awaited below: other threads compile during the upload of weights
    try {
      await upload(gpu, calls, uploads, { signal, onProgress });
      await compileKernels(gpu, lowered, { signal, onProgress });
      this.#prepared = await preparing;
      const prepared = this.#prepared;
      calls(() => packVariables(gpu, prepared, before));
      return prepared;
    } catch (error) {
      await preparing.then(({ destroy }) => destroy()).catch(() => {});
      throw error;
    }
  }

  /** Frees all memory except that of variables. */
  #freePlan(): void {
    this.#prepared?.destroy();
    this.#prepared = undefined;
    this.#freeWeights();
  }

  #freeWeights(): void {
    for (const each of this.#weights.values()) each.destroy();
    this.#weights = new Map();
  }
}

/** Whether no kernel of a plan was found to be wrong since the plan was prepared. */
function isTrusted({ checked }: Gpu, { kernels }: PreparedPlan): boolean {
  for (const name of kernels.keys()) if (checked.get(name) === false) return false;
  return true;
}

/** Compiles all programs of a plan at once. A program that is compiled already takes no time. */
async function compileKernels(gpu: Gpu, lowered: Lowered, { signal, onProgress }: WorkOptions): Promise<void> {
  const kernels = [...lowered.kernels.values()];
  let done = 0;
  const tell = () => onProgress?.({ stage: "compile kernels", done: done++, total: kernels.length });
  tell();
  await napping(Promise.all(kernels.map((kernel) => gpu.shared.pipeline(kernel).then(tell))));
  throwIfAborted(signal);
}
