import {
  abortError,
  type Backend,
  checkInputs,
  type Deviation,
  type Executable,
  type Graph,
  optimize,
  parametersOf,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { adapterDriver, adapterName } from "@residual/kit/gpu";
import { checkBuffers, type DeviceBuffers } from "./buffers.ts";
import type { WebgpuCache } from "./cache.ts";
import { type Family, type Float16, type Gpu, type GpuSource, guarded, openGpu, type Tuning } from "./device.ts";
import { lowerToPlan } from "./lower.ts";
import { allocate, type Held, prepare, type Ready, upload } from "./memory.ts";
import { type Plan, type Program, printPlan, programsOf } from "./plan.ts";
import { type Given, readBack, runPlan } from "./run.ts";
import { type TunedLayer, type TuneOptions, tuneGraph } from "./tune.ts";
import { checkKernels } from "./verify.ts";
import { napping } from "./wait.ts";

export interface WebgpuOptions {
  /** Where adapters come from: the browser's `navigator.gpu`, or in Node Dawn's, where not given. */
  readonly gpu?: GpuSource;
  /**
   * A device of the caller's, to share buffers with it. Only what it was requested with can be used: with the feature "subgroups"
   * convolutions on software adapters are several times faster. It is never destroyed here; once lost, so is this backend.
   */
  readonly device?: GPUDevice;
  /** Of convolutions: for adapters on the CPU, for GPUs, or plain ones for neither. As the adapter calls for where not given. */
  readonly kernels?: Family;
  /**
   * "cold" has one tile and no transforms, for answers soon where kernels are compiled when they first run. Drivers keep what they
   * compiled, so "warm" is the default.
   */
  readonly tuning?: Tuning;
  /**
   * Half the memory, and on GPUs less time, for 11 bits of precision: "storage" keeps what lies between nodes, and weights, in float16;
   * "products" multiplies so as well, in convolutions. Sums are float32's in either case. Not by Winograd's algorithm.
   * UnsupportedError for an adapter without shader-f16, and for one that gets a kernel wrong.
   */
  readonly float16?: Float16;
  /** Where it is kept, by adapter and driver, which kernels answered right, and what `tune` measured. Each process starts anew where not given. */
  readonly cache?: WebgpuCache | undefined;
  /** Is told, in words for people, if a driver computes a fast kernel wrong, so that slower kernels are used. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface WebgpuBackend extends Backend {
  /**
   * The device that executables run on; opened where none is yet. One that is opened in Node does not clear memory before its first use: of a
   * buffer that is written in part the rest holds anything.
   */
  device(): Promise<GPUDevice>;
  /**
   * Times on this adapter each way to run each convolution and linear layer of a graph. The quickest are taken by the next compiles, and by
   * those of later processes where there is a cache. Takes some seconds on a GPU, a minute or so on a software adapter; the machine should
   * have nothing else to do. An abort leaves what was known before. Throws what the cache throws, where it cannot be written.
   */
  tune(graph: Graph, options?: TuneOptions): Promise<readonly TunedLayer[]>;
  compile<In extends string, Out extends string>(
    graph: Graph<In, Out>,
    options?: WorkOptions,
  ): Promise<WebgpuExecutable<In, Out>>;
}

export interface WebgpuExecutable<In extends string = string, Out extends string = string> extends Executable<In, Out> {
  /**
   * As `run`, from buffers and into buffers of the same device: nothing is read back, and the next model may go on with what this
   * one answers. Numbers are float32 in row-major order. Resolves once the device is done.
   *
   * Throws UnsupportedError for a buffer that is too small or lacks COPY_SRC (inputs) or COPY_DST (outputs).
   */
  runOnDevice(buffers: DeviceBuffers<In, Out>, options?: WorkOptions & { readonly batch?: number }): Promise<void>;
  /** What a batch of one is made of, a dispatch a line, and the programs. */
  readonly plan: string;
  readonly programs: readonly Program[];
}

const ofFloat16: readonly Deviation[] = [
  {
    op: "softmax",
    trait: "overflows early",
    because: "1e38 is infinite in float16, and infinity less infinity is no number",
  },
];

/** Raw WebGPU compute. The device is opened by the first compile, shared by all executables, and opened anew once lost. */
export function webgpu(options: WebgpuOptions = {}): WebgpuBackend {
  let opened: Promise<Gpu> | undefined;
  const acquire = async (): Promise<Gpu> => {
    opened ??= openGpu(options).then((gpu) => {
      if (!options.device) void gpu.device.lost.then(forget);
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
      const algorithms = options.float16
        ? [`float16-${options.float16}` as const]
        : (choice.winograd?.map(({ name }) => name) ?? []);
      const deviations = options.float16 ? ofFloat16 : [];
      const driver = adapterDriver(adapter);
      return {
        library,
        version,
        device: adapterName(adapter),
        ...(driver !== undefined && { driver }),
        dtypes: ["float32"],
        algorithms,
        deviations,
      };
    },
    device: async () => (await acquire()).device,
    async tune(graph, options = {}) {
      throwIfAborted(options.signal);
      checkBound(graph);
      const gpu = await acquire();
      gpu.check();
      const layers = await tuneGraph(gpu, graph, options);
      await gpu.remember();
      return layers;
    },
    async compile<In extends string, Out extends string>(graph: Graph<In, Out>, work: WorkOptions = {}) {
      throwIfAborted(work.signal);
      checkBound(graph);
      const gpu = await acquire();
      gpu.check();
      return executableOf(gpu, graph, work);
    },
  };
}

function checkBound(graph: Graph): void {
  const [open] = parametersOf(graph);
  if (!open) return;
  throw new UnsupportedError(`webgpu: parameters of ${graph.name} are open (${open.name}, …); bind them first`);
}

async function executableOf(gpu: Gpu, given: Graph, work: WorkOptions): Promise<WebgpuExecutable> {
  const graph = optimize(given); // once more does nothing
  let constants: ReadonlyMap<string, Held> = new Map();
  let ready: Ready | undefined;
  let disposed = false;
  let last: Promise<unknown> = Promise.resolve();
  const isOpen = Object.values(graph.inputs).some(({ shape }) => shape[0] === "N");

  /** Memory for a batch; that of another is let go. */
  async function readyFor(batch: number, { signal, onProgress }: WorkOptions = {}): Promise<Ready> {
    if (ready?.batch === batch) return ready;
    ready?.destroy();
    ready = undefined;
    try {
      return await guarded(gpu, graph.name, async () => {
        const wanted = lowerToPlan(graph, batch, gpu.choice); // tiles, and so the order of weights, may be others for another batch
        const isTrusted = await checkKernels(gpu, wanted.plan);
        throwIfAborted(signal);
        const lowered = isTrusted ? wanted : lowerToPlan(graph, batch, gpu.choice);
        const before = constants;
        constants = allocate(gpu, lowered, before);
        const preparing = prepare(gpu, lowered, batch, constants);
        preparing.catch(() => {}); // it is waited for below; other threads compile while weights go up
        try {
          await upload(gpu, lowered, constants, { before, signal, onProgress });
          await compileKernels(gpu, lowered.plan, { signal, onProgress });
          ready = await preparing;
          return ready;
        } catch (error) {
          await preparing.then(({ destroy }) => destroy()).catch(() => {});
          throw error;
        }
      });
    } catch (error) {
      free();
      throw error;
    }
  }

  function free(): void {
    ready?.destroy();
    ready = undefined;
    for (const held of constants.values()) held.destroy();
    constants = new Map();
  }

  const { plan } = await readyFor(1, work);

  /** One after the other: they share memory. */
  function queued<T>(batch: number, stop: WorkOptions["signal"], work: (ready: Ready) => Promise<T>): Promise<T> {
    const mine = last.then(async () => {
      throwIfAborted(stop);
      gpu.check();
      return work(await readyFor(isOpen ? batch : 1));
    });
    last = mine.catch(() => undefined);
    return untilAborted(mine, stop);
  }

  function checkOpen(): void {
    if (disposed) throw new UnsupportedError("webgpu: run after dispose; compile the graph again");
  }

  async function run(inputs: { readonly [name: string]: Tensor<"float32"> }, { signal: stop }: WorkOptions = {}) {
    checkOpen();
    throwIfAborted(stop);
    const batch = checkInputs(graph, inputs);
    const copies = Object.entries(inputs).map(([name, { data }]): Given => ({ name, data: data.slice() })); // the caller may go on
    return queued(batch, stop, async (memory) => {
      await runPlan(gpu, memory, { inputs: copies, signal: stop });
      return readBack(gpu, memory);
    });
  }

  async function runOnDevice(
    buffers: DeviceBuffers,
    { signal: stop, batch = 1 }: WorkOptions & { readonly batch?: number } = {},
  ): Promise<void> {
    checkOpen();
    throwIfAborted(stop);
    checkBuffers(graph, batch, buffers);
    const inputs = Object.entries(buffers.inputs).map(([name, buffer]): Given => ({ name, buffer }));
    return queued(batch, stop, (memory) => runPlan(gpu, memory, { inputs, outputs: buffers.outputs, signal: stop }));
  }

  async function dispose(): Promise<void> {
    disposed = true;
    await last;
    free();
  }

  return {
    run,
    runOnDevice,
    get plan() {
      return printPlan(plan);
    },
    get programs() {
      return programsOf(plan);
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
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

/** Rejects as soon as the signal is aborted; what is under way on the device ends by itself, and the next waits for it. */
function untilAborted<T>(work: Promise<T>, signal: WorkOptions["signal"]): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortError(signal));
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
