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

/** The part of a GPUAdapter that is used here. */
type Adapter = Pick<GPUAdapter, "features" | "info" | "limits" | "requestDevice">;

type Opening = Promise<Opened & { readonly lost: Promise<string> }>;

/** What has been opened, by where its adapter came from: devices are shared by all executables. */
const opened = new WeakMap<object, Opening>();
let count = 0;

/**
 * Opens a device of our own under a name of our own, so that the process's webgpu engine, if there is one, is not met;
 * in Node Dawn's.
 *
 * Throws BackendUnavailableError where a package or an adapter is missing.
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

/** Those that tfjs's own opening asks for. */
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

/** tfjs asks whether there is a `navigator.gpu` before it takes a device from anywhere. */
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

/** The braces are spelled out, and the two calls apart, for bundlers: a variable's attributes they leave out. */
const importDawn = (name: string): Promise<unknown> =>
  name.endsWith(".json")
    ? import(/* @vite-ignore */ /* webpackIgnore: true */ name, { with: { type: "json" } })
    : import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/** The browser's, or in Node one that is kept: Dawn ends the process once it is collected. */
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
