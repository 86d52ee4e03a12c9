import type { Answer, Graph, LoadedGraph, RunOptions, Tensor, WorkOptions } from "@residual/core";
import { throwIfAborted } from "@residual/core";
import type { DeviceBuffers } from "./buffers.ts";
import { type Gpu, guarded } from "./device.ts";
import { lowerToPlan } from "./lower.ts";
import { type Allocation, allocate, type PreparedPlan, preparePlan, upload } from "./memory.ts";
import type { Plan } from "./plan.ts";
import { type Given, readBack, runPlan } from "./run.ts";
import { checkKernels } from "./verify.ts";
import { napping } from "./wait.ts";

/** A graph on a device. Its runs share memory, so that there can be one at a time. */
export class WebgpuModel implements LoadedGraph {
  readonly #gpu: Gpu;
  readonly #graph: Graph;
  #constants: ReadonlyMap<string, Allocation> = new Map();
  /** For the batch of the last run. */
  #prepared: PreparedPlan | undefined;
  #planOfOne: Plan | undefined;

  private constructor(gpu: Gpu, graph: Graph) {
    this.#gpu = gpu;
    this.#graph = graph;
  }

  /** Throws what the device and the sources of constants throw. */
  static async load(gpu: Gpu, graph: Graph, options: WorkOptions): Promise<WebgpuModel> {
    const model = new WebgpuModel(gpu, graph);
    model.#planOfOne = (await model.#preparedFor(1, options)).plan;
    return model;
  }

  /** What a batch of one is made of. */
  get plan(): Plan {
    this.#planOfOne ??= lowerToPlan(this.#graph, 1, this.#gpu.choice).plan;
    return this.#planOfOne;
  }

  async run(
    inputs: { readonly [name: string]: Tensor<"float32"> },
    { batch, signal }: RunOptions,
  ): Promise<{ [name: string]: Answer }> {
    const prepared = await this.#preparedFor(batch);
    const given = Object.entries(inputs).map(([name, { data }]): Given => ({ name, data }));
    await runPlan(this.#gpu, prepared, { inputs: given, signal });
    return readBack(this.#gpu, prepared);
  }

  /** As `run`, between buffers of the device. */
  async runOnDevice({ inputs, outputs }: DeviceBuffers, { batch, signal }: RunOptions): Promise<void> {
    const prepared = await this.#preparedFor(batch);
    const given = Object.entries(inputs).map(([name, buffer]): Given => ({ name, buffer }));
    await runPlan(this.#gpu, prepared, { inputs: given, outputs, signal });
  }

  async dispose(): Promise<void> {
    this.#free();
  }

  /** Memory for a batch. Memory for another batch is freed. */
  async #preparedFor(batch: number, options: WorkOptions = {}): Promise<PreparedPlan> {
    this.#gpu.check();
    if (this.#prepared?.batch === batch) return this.#prepared;
    this.#prepared?.destroy();
    this.#prepared = undefined;
    try {
      this.#prepared = await guarded(this.#gpu, this.#graph.name, () => this.#prepare(batch, options));
      return this.#prepared;
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  async #prepare(batch: number, { signal, onProgress }: WorkOptions): Promise<PreparedPlan> {
    const gpu = this.#gpu;
    const wanted = lowerToPlan(this.#graph, batch, gpu.choice); // tiles, and so the order of weights, differ by batch
    const isTrusted = await checkKernels(gpu, wanted.plan);
    throwIfAborted(signal);
    const lowered = isTrusted ? wanted : lowerToPlan(this.#graph, batch, gpu.choice);
    const before = this.#constants;
    this.#constants = allocate(gpu, lowered, before);
    const preparing = preparePlan(gpu, lowered, batch, this.#constants);
    preparing.catch(() => {}); // it is waited for below; other threads compile while weights go up
    try {
      await upload(gpu, lowered, this.#constants, { before, signal, onProgress });
      await compileKernels(gpu, lowered.plan, { signal, onProgress });
      return await preparing;
    } catch (error) {
      await preparing.then(({ destroy }) => destroy()).catch(() => {});
      throw error;
    }
  }

  #free(): void {
    this.#prepared?.destroy();
    this.#prepared = undefined;
    for (const each of this.#constants.values()) each.destroy();
    this.#constants = new Map();
  }
}

/** All programs of a plan at once; what is compiled already takes no time. */
async function compileKernels(gpu: Gpu, { dispatches }: Plan, { signal, onProgress }: WorkOptions): Promise<void> {
  const kernels = new Map(dispatches.map(({ kernel }) => [kernel.name, kernel]));
  let done = 0;
  const tell = () => onProgress?.({ stage: "compile kernels", done: done++, total: kernels.size });
  tell();
  await napping(Promise.all([...kernels.values()].map((kernel) => gpu.pipeline(kernel).then(tell))));
  throwIfAborted(signal);
}
