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
  /** The source of adapters. Default: `navigator.gpu`, or Dawn in Node */
  readonly gpu?: GpuSource;
  /**
   * The caller's own device, to share buffers with it. The backend uses only the features and limits that the device
   * was requested with: without the feature "subgroups" convolutions take 1.4 times as long on lavapipe. The backend
   * never destroys this device. Once the device is lost, the backend can compile and run nothing.
   */
  readonly device?: GpuDevice;
  /**
   * The convolution kernels: "software" for adapters on the CPU, "gpu" for GPUs, "plain" for any adapter. Default: the
   * set for the adapter
   */
  readonly kernels?: KernelSet;
  /**
   * "cold" uses few kernels and no Winograd transforms, for a fast first answer. "warm" uses all kernels, for fast
   * runs. Default: "cold" for a software adapter in a browser, which compiles kernels anew for each page; else "warm",
   * since drivers cache compiled kernels
   */
  readonly tuning?: Tuning;
  /**
   * Computes with float16, which has 11 bits of precision: half the memory and, on GPUs, less time. With "storage",
   * weights and the values between nodes are float16. With "products", the products in convolutions are float16 too.
   * Sums are always float32. Winograd's algorithm is not used. Default: all numbers are float32
   *
   * Compiling throws UnsupportedError for an adapter without shader-f16, for an adapter that fails the test of a
   * kernel, and for weights beyond 65,504. A run throws UnsupportedError if a number beyond 65,504 spoils a result;
   * `runOnDevice` does not read results, and leaves NaN in them.
   */
  readonly float16?: Float16;
  /**
   * The store for findings about each adapter and driver: which kernels passed their tests, and what `tune` measured.
   * Default: `browserCache()` in browsers; elsewhere none, so each process starts anew
   */
  readonly cache?: WebgpuCache | undefined;
  /**
   * Runs from one spot check to the next, counted over all models of the backend. Infinity turns spot checks off.
   * Default 1,000
   *
   * A spot check computes 16 outputs of one convolution or linear layer again in float64, from the layer's own inputs
   * and weights. It takes some milliseconds. If an output is off by more than its derived bound (docs/tolerances.md),
   * the run rejects with UnsupportedError, and later runs use other kernels.
   */
  readonly spotCheckEvery?: number;
  /** Called with a message if a driver computes a fast kernel wrong, so that slower kernels are used. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface WebgpuBackend extends Backend<"float32"> {
  /**
   * The device that executables run on; opened if it is not open. A device opened in Node does not clear memory before
   * its first use: the part of a buffer that was never written holds arbitrary data.
   */
  device(): Promise<GpuDevice>;
  /**
   * Times each strategy for each convolution and linear layer of a graph on this adapter. Later compiles use the
   * fastest strategies, as do later processes that share the cache. Takes some seconds on a GPU, about a minute on a
   * software adapter; the machine should be idle otherwise. An abort discards the new measurements. Throws the cache's
   * error if it cannot be written.
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
   * As `run`, but reads inputs from buffers of the device and writes outputs to such buffers. Nothing is copied to the
   * host, so another model can use the outputs directly. Numbers are float32 in row-major order. Resolves once the
   * device is done.
   *
   * Throws UnsupportedError for a buffer that is too small or lacks COPY_SRC (inputs) or COPY_DST (outputs), and
   * ShapeError for a missing input or an unknown name.
   */
  runOnDevice(buffers: DeviceBuffers<In, Out>, options?: WorkOptions & { readonly batch?: number }): Promise<void>;
  /** The plan for a batch of one as text, one dispatch per line. */
  readonly plan: string;
  /** The programs of this plan. */
  readonly programs: readonly WgslProgram[];
}

/** A kernel's WGSL. */
export interface WgslProgram {
  readonly name: string;
  readonly wgsl: string;
}

/**
 * A backend on raw WebGPU compute. The first compile opens a device, which all backends with the same source of
 * adapters share. The device is destroyed one second after the last executable is disposed. After a loss of the device
 * the next compile opens a new one. Throws ShapeError for an option of another value.
 */
export function webgpu(options: WebgpuOptions = {}): WebgpuBackend {
  checkOptions(options);
  const lease = leasing(options);
  const known: Known = new Map();
  /** Runs work with the device, which stays open until the work ends. */
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
        await gpu.remember(); // a cache that cannot be written fails here, before minutes of work
        const layers = await tuneGraph(gpu, graph, work);
        await gpu.remember();
        return layers;
      });
    },
    compile: (graph, work) => compileWith(parts, graph, work),
  };
}

/** JavaScript may pass any value. */
function checkOptions({ spotCheckEvery = Infinity, kernels, tuning, float16 }: WebgpuOptions): void {
  const isCount = Number.isInteger(spotCheckEvery) && spotCheckEvery >= 1;
  const expected = "expected a whole number from 1 on, or Infinity";
  check(
    isCount || spotCheckEvery === Infinity,
    "webgpu.O1",
    `spotCheckEvery is ${String(spotCheckEvery)}, ${expected}`,
  );
  const choices: readonly (readonly [name: string, value: string | undefined, allowed: readonly string[]])[] = [
    ["kernels", kernels, ["software", "gpu", "plain"]],
    ["tuning", tuning, ["cold", "warm"]],
    ["float16", float16, ["storage", "products"]],
  ];
  for (const [name, value, allowed] of choices) {
    const isKnown = value === undefined || allowed.includes(value);
    check(isKnown, "webgpu.O2", `${name} is ${String(value)}, expected ${allowed.join(" or ")}`);
  }
}

/** A function that opens the backend's device, or shares one that is open. */
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
