import {
  adapterDriver,
  adapterName,
  isSoftwareAdapter,
  noAdapter,
  type PlatformGpu,
  platformGpu,
} from "@residual/kit/gpu";
import type { Opened } from "./engine.ts";
import type { EngineOptions, GpuSource } from "./options.ts";
import { packages } from "./packages.ts";
import { importEngine, loadCore, register, type TensorFlow } from "./runtime.ts";

const PACKAGE = "@tensorflow/tfjs-backend-webgpu";

/** The part of a GPUAdapter that Residual uses. */
type Adapter = Pick<GPUAdapter, "features" | "info" | "limits" | "requestDevice">;

type Opening = Promise<Opened & { readonly lost: Promise<string> }>;

/** Open devices by the source of their adapter: all executables share them. */
const opened = new WeakMap<object, Opening>();
let count = 0;

/**
 * Opens a separate device under a separate name, so that the process's own webgpu engine is not affected. In Node the
 * device is Dawn's.
 *
 * Throws BackendUnavailableError if a package or an adapter is missing.
 */
export async function openWebgpu({ tf: given, gpu }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given, PACKAGE);
  const { WebGPUBackend } = await importEngine(tf, PACKAGE, packages[PACKAGE]);
  const source = gpu ?? (await ownGpu());
  const known = opened.get(source);
  if (known) return known;
  const opening: Opening = openOn(tf, WebGPUBackend, source);
  opened.set(source, opening);
  const forget = () => opened.delete(source);
  void opening.then(({ lost }) => lost.then(forget), forget);
  return opening;
}

type EngineClass = typeof import("@tensorflow/tfjs-backend-webgpu").WebGPUBackend;

async function openOn(tf: TensorFlow, WebGPUBackend: EngineClass, gpu: GpuSource): Opening {
  const adapter = (await gpu.requestAdapter({ powerPreference: "high-performance" })) as Adapter | null;
  if (!adapter) throw noAdapter("tfjs", "take wasm");
  const device = await adapter.requestDevice({ requiredLimits: limitsOf(adapter) });
  const name = `residual-webgpu-${++count}`;
  tf.copyRegisteredKernels("webgpu", name);
  const instance = withNavigatorGpu(gpu, () => new WebGPUBackend(device, adapter.info));
  const registered = register(tf, name, instance);
  const lost = device.lost.then(({ reason, message }) => {
    delete tf.engine().registry[name];
    for (const { kernelName } of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
    return `${reason}: ${message}`;
  });
  return {
    registered,
    device: adapterName(adapter.info),
    driver: adapterDriver(adapter.info),
    isSoftware: isSoftwareAdapter(adapter.info),
    lost,
  };
}

/** The features that tfjs requests itself. */
function limitsOf({ limits }: Adapter): { [limit: string]: number } {
  const names = [
    "maxComputeWorkgroupStorageSize",
    "maxComputeWorkgroupsPerDimension",
    "maxStorageBufferBindingSize",
    "maxBufferSize",
    "maxComputeWorkgroupSizeX",
    "maxComputeInvocationsPerWorkgroup",
  ] as const;
  return Object.fromEntries(names.map((name) => [name, limits[name]]));
}

/** tfjs checks for `navigator.gpu` before it uses any device. */
function withNavigatorGpu<T>(gpu: GpuSource, work: () => T): T {
  const scope = globalThis as { navigator?: { gpu?: unknown } };
  if (scope.navigator?.gpu) return work();
  const isNew = scope.navigator === undefined;
  if (isNew) Object.defineProperty(scope, "navigator", { value: {}, configurable: true });
  Object.defineProperty(scope.navigator, "gpu", { value: gpu, configurable: true });
  try {
    return work();
  } finally {
    delete scope.navigator?.gpu;
    if (isNew) delete scope.navigator;
  }
}

/** Written as two calls with literal braces, for bundlers: they drop import attributes in a variable. */
const importDawn = (name: string): Promise<unknown> =>
  name.endsWith(".json")
    ? import(/* @vite-ignore */ /* webpackIgnore: true */ name, { with: { type: "json" } })
    : import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/** The browser's GPU; in Node a stored one, since Dawn ends the process once it is garbage-collected. */
async function ownGpu(): Promise<GpuSource> {
  dawn ??= platformGpu<GpuSource>("tfjs", importDawn);
  return dawn.then(
    ({ gpu }) => gpu,
    (error: unknown) => {
      dawn = undefined;
      throw error;
    },
  );
}

let dawn: Promise<PlatformGpu<GpuSource>> | undefined;
