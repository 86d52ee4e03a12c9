import {
  type Backend,
  type BackendDescription,
  type BackendParts,
  check,
  compileOn,
  type Executable,
  type Graph,
  type Input,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import { adapterDriver, adapterName, type GpuDevice, type GpuSource } from "@residual/kit/gpu";
import type { Float16, KernelSet } from "./decide/profiles.ts";
import { checkBuffers, type DeviceBuffers } from "./device/buffers.ts";
import type { WebgpuCache } from "./device/cache.ts";
import { type Gpu, gpuOn, type Known, type Tuning } from "./device/gpu.ts";
import { WebgpuModel } from "./device/model.ts";
import { checkFloat16, type Lease, leaseDevice, openPlatform, SharedDevice } from "./device/shared-device.ts";
import { type TunedLayer, type TuneOptions, tuneGraph } from "./device/tune.ts";
import { printPlan } from "./lower/plan.ts";

export interface WebgpuOptions {
  /** Where adapters come from: the browser's `navigator.gpu`, or in Node Dawn's, where not given. */
  readonly gpu?: GpuSource;
  /**
   * A device of the caller's, to share buffers with it. Only what it was requested with can be used: without the
   * feature "subgroups" convolutions take 1.4 times as long on lavapipe. It is never destroyed here; once lost, so is
   * this backend.
   */
  readonly device?: GpuDevice;
  /**
   * Of convolutions: for adapters on the CPU, for GPUs, or plain ones for neither. As the adapter calls for where not
   * given.
   */
  readonly kernels?: KernelSet;
  /**
   * "cold" has one tile and no transforms, for answers soon where kernels are compiled when they first run. It is the
   * default for a browser's software adapter. Drivers keep what they compiled, so "warm" is the default elsewhere.
   */
  readonly tuning?: Tuning;
  /**
   * Half the memory, and on GPUs less time, for 11 bits of precision: "storage" keeps what lies between nodes, and
   * weights, in float16; "products" multiplies so as well, in convolutions. Sums are float32's in either case. Not by
   * Winograd's algorithm. UnsupportedError for an adapter without shader-f16, for one that gets a kernel wrong, for
   * weights beyond 65,504, and for a run whose results a number beyond 65,504 spoils; `runOnDevice` gives NaN for them.
   */
  readonly float16?: Float16;
  /**
   * Where it is kept, by adapter and driver, which kernels answered right, and what `tune` measured. Where not given,
   * browsers have `browserCache()`, and other processes start anew.
   */
  readonly cache?: WebgpuCache | undefined;
  /**
   * Runs from one spot check to the next; 1,000 where not given, Infinity for none. In that run 16 outputs of one
   * convolution or linear layer are computed again in float64, from the layer's own inputs and its weights, which takes
   * some milliseconds. Runs of all models of the backend count. If an output is off by more than its derived bound
   * (docs/tolerances.md), the run rejects with UnsupportedError, and other kernels are used from then on.
   */
  readonly spotCheckEvery?: number;
  /** Is told, in words for people, if a driver computes a fast kernel wrong, so that slower kernels are used. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface WebgpuBackend extends Backend<"float32"> {
  /**
   * The device that executables run on; opened where none is yet. One that is opened in Node does not clear memory
   * before its first use: of a buffer that is written in part the rest holds anything.
   */
  device(): Promise<GpuDevice>;
  /**
   * Times on this adapter each way to run each convolution and linear layer of a graph. The quickest are taken by the
   * next compiles, and by those of later processes where there is a cache. Takes some seconds on a GPU, a minute or so
   * on a software adapter; the machine should have nothing else to do. An abort leaves what was known before. Throws
   * what the cache throws, where it cannot be written.
   */
  tune(graph: Graph, options?: TuneOptions): Promise<readonly TunedLayer[]>;
  compile<In extends string, Out extends string>(
    graph: Graph<In, Out>,
    options?: WorkOptions,
  ): Promise<WebgpuExecutable<In, Out>>;
}

export interface WebgpuExecutable<In extends string = string, Out extends string = string>
  extends Executable<In, Out, "float32"> {
  /**
   * As `run`, from buffers and into buffers of the same device: nothing is read back, and the next model may go on with
   * what this one answers. Numbers are float32 in row-major order. Resolves once the device is done.
   *
   * Throws UnsupportedError for a buffer that is too small or lacks COPY_SRC (inputs) or COPY_DST (outputs).
   */
  runOnDevice(buffers: DeviceBuffers<In, Out>, options?: WorkOptions & { readonly batch?: number }): Promise<void>;
  /** What a batch of one is made of, a dispatch a line, and the programs. */
  readonly plan: string;
  readonly programs: readonly WgslProgram[];
}

/** A kernel's WGSL. */
export interface WgslProgram {
  readonly name: string;
  readonly wgsl: string;
}

/**
 * Raw WebGPU compute. The first compile opens a device, which all backends with the same source of adapters share. It
 * is destroyed soon after the last executable, and opened anew once lost. Throws ShapeError for a `spotCheckEvery` that
 * is not a number from 1 on.
 */
export function webgpu(options: WebgpuOptions = {}): WebgpuBackend {
  const { spotCheckEvery = 1 } = options;
  check(spotCheckEvery >= 1, "webgpu.O1", `spotCheckEvery is ${spotCheckEvery}, expected a number from 1 to Infinity`);
  const lease = leasing(options);
  const known: Known = new Map();
  /** Work with the device, which stays open meanwhile. */
  const withDevice = async <T>(work: (gpu: Gpu, lease: Lease) => T | Promise<T>): Promise<T> => {
    const leased = await lease();
    try {
      return await work(await gpuOn(leased.shared, options, known), leased);
    } finally {
      leased.release();
    }
  };
  const parts: BackendParts<"float32", WebgpuModel> = {
    name: "webgpu",
    describe: () => withDevice((gpu) => descriptionOf(gpu, options)),
    async load(graph, work) {
      const { shared, release } = await lease();
      const gpu = await gpuOn(shared, options, known);
      return WebgpuModel.load(gpu, graph, work, release);
    },
  };
  return {
    name: parts.name,
    describe: () => parts.describe(),
    device: () =>
      withDevice(({ device }, { keepOpen }) => {
        keepOpen();
        return device;
      }),
    async tune(graph, work = {}) {
      throwIfAborted(work.signal);
      return withDevice(async (gpu) => {
        gpu.shared.check();
        await gpu.remember(); // a cache that cannot be written is told now, and not after minutes of work
        const layers = await tuneGraph(gpu, graph, work);
        await gpu.remember();
        return layers;
      });
    },
    compile: (graph, work) => compileWith(parts, graph, work),
  };
}

/** What opens a backend's device, or shares one that is open. */
function leasing({ device, gpu, float16 }: WebgpuOptions): () => Promise<Lease> {
  if (device) {
    const from = { gpu: device, library: "a device of the caller's", version: "unknown" };
    const shared = new SharedDevice(device, device.adapterInfo, from);
    const ignore = () => {};
    return async () => {
      if (float16) checkFloat16(device, shared.adapter);
      return { shared, keepOpen: ignore, release: ignore };
    };
  }
  const own = gpu && { gpu, library: "a GPU of the caller's", version: "unknown" };
  return async () => leaseDevice(own ?? (await openPlatform()), float16 !== undefined);
}

function descriptionOf({ shared, profile }: Gpu, { float16 }: WebgpuOptions): BackendDescription {
  const { adapter, library, version } = shared;
  const driver = adapterDriver(adapter);
  return {
    library,
    version,
    device: adapterName(adapter),
    ...(driver !== undefined && { driver }),
    dtypes: ["float32"],
    algorithms: float16 ? [`float16-${float16}` as const] : profile.algorithms,
  };
}

async function compileWith<In extends string, Out extends string>(
  parts: BackendParts<"float32", WebgpuModel>,
  graph: Graph<In, Out>,
  work: WorkOptions = {},
): Promise<WebgpuExecutable<In, Out>> {
  const { executable, loaded, enqueue } = await compileOn(parts, graph, work);
  const isOpen = Object.values<Input>(graph.inputs).some(({ shape }) => shape[0] === "N");
  return {
    ...executable,
    async runOnDevice(buffers, { batch: given = 1, ...options } = {}) {
      const batch = isOpen ? given : 1;
      checkBuffers(graph, batch, buffers);
      return enqueue(() => loaded.runOnDevice(buffers, { ...options, batch }), options.signal);
    },
    get plan() {
      return printPlan(loaded.ofOne.plan);
    },
    get programs() {
      return [...loaded.ofOne.kernels.values()].map(({ name, program }) => ({ name, wgsl: program }));
    },
  };
}
