import {
  abortError,
  type Backend,
  checkInputs,
  type Executable,
  type Graph,
  optimize,
  parametersOf,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { type Gpu, guarded, openGpu } from "./device.ts";
import { lowerToPlan } from "./lower.ts";
import { prepare, type Ready, upload } from "./memory.ts";
import { runPlan } from "./run.ts";

export interface WebgpuOptions {
  /** Where adapters come from: the browser's `navigator.gpu`, or in Node Dawn's, where not given. */
  readonly gpu?: GPU;
}

/** Raw WebGPU compute. The device is opened by the first compile, shared by all executables, and opened anew once lost. */
export function webgpu({ gpu: given }: WebgpuOptions = {}): Backend {
  let opened: Promise<Gpu> | undefined;
  const acquire = async (): Promise<Gpu> => {
    opened ??= openGpu(given).then((gpu) => {
      void gpu.device.lost.then(forget);
      return gpu;
    });
    return opened.catch((error: unknown) => {
      forget();
      throw error;
    });
  };
  const forget = () => {
    opened = undefined;
  };
  return {
    name: "webgpu",
    async describe() {
      const { adapter, library, version, choice } = await acquire();
      const { description, device, vendor, architecture } = adapter;
      const named = [description, device, [vendor, architecture].filter(Boolean).join(" ")].find((text) => text !== "");
      const algorithms = choice.winograd?.map(({ name }) => name) ?? [];
      return { library, version, device: named ?? "an adapter without a name", dtypes: ["float32"], algorithms };
    },
    async compile<In extends string, Out extends string>(graph: Graph<In, Out>, { signal }: WorkOptions = {}) {
      throwIfAborted(signal);
      const [open] = parametersOf(graph);
      if (open)
        throw new UnsupportedError(`webgpu: parameters of ${graph.name} are open (${open.name}, …); bind them first`);
      return executableOf(await acquire(), graph, signal);
    },
  };
}

async function executableOf(gpu: Gpu, given: Graph, signal: WorkOptions["signal"]): Promise<Executable> {
  const graph = optimize(given); // once more does nothing
  let constants: ReadonlyMap<string, GPUBuffer> = new Map();
  let ready: Ready | undefined;
  let disposed = false;
  let last: Promise<unknown> = Promise.resolve();
  const isOpen = Object.values(graph.inputs).some(({ shape }) => shape[0] === "N");

  /** Memory for a batch; that of another is let go. */
  async function readyFor(batch: number): Promise<Ready> {
    if (ready?.batch === batch) return ready;
    ready?.destroy();
    ready = undefined;
    const lowered = lowerToPlan(graph, batch, gpu.choice); // tiles, and so the order of weights, may be others for another batch
    ready = await guarded(gpu, graph.name, async () => {
      constants = await upload(gpu, lowered, constants);
      return prepare(gpu, lowered, batch, constants);
    });
    return ready;
  }

  await readyFor(1);
  throwIfAborted(signal);

  async function run(inputs: { readonly [name: string]: Tensor<"float32"> }, { signal: stop }: WorkOptions = {}) {
    if (disposed) throw new UnsupportedError("webgpu: run after dispose; compile the graph again");
    throwIfAborted(stop);
    const batch = checkInputs(graph, inputs);
    const copies = Object.entries(inputs).map(([name, { data }]) => [name, data.slice()] as const); // the caller may go on
    const mine = last.then(async () => {
      throwIfAborted(stop);
      gpu.check();
      return runPlan(gpu, await readyFor(isOpen ? batch : 1), copies);
    });
    last = mine.catch(() => undefined);
    return untilAborted(mine, stop);
  }

  async function dispose(): Promise<void> {
    disposed = true;
    await last;
    ready?.destroy();
    ready = undefined;
    for (const buffer of constants.values()) buffer.destroy();
    constants = new Map();
  }

  return { run, dispose, [Symbol.asyncDispose]: dispose };
}

/** Rejects as soon as the signal is aborted; the work itself goes on, and the next waits for it. */
function untilAborted<T>(work: Promise<T>, signal: WorkOptions["signal"]): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortError(signal));
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
