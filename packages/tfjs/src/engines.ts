import { type BackendDescription, BackendUnavailableError, DeviceLostError } from "@residual/core";
import type { Dialect } from "./lower.ts";
import { openNode } from "./tfjs-node.ts";
import {
  type EngineInstance,
  importEngine,
  isRegistered,
  loadCore,
  type Registered,
  register,
  unavailable,
  VERSION,
} from "./runtime.ts";
import { type GpuSource, openWebgpu } from "./webgpu.ts";
import { openWasm } from "./wasm.ts";

/** The engines of TensorFlow.js. */
export type EngineName = "cpu" | "wasm" | "webgl" | "webgpu" | "node" | "node-gpu";

/** What opening an engine may need. */
export interface EngineOptions {
  readonly tf?: object | undefined;
  readonly wasmPaths?: string | undefined;
  readonly gpu?: GpuSource | undefined;
}

/** An engine that is ready. */
export interface Engine extends Registered {
  readonly name: EngineName;
  readonly dialect: Dialect;
  readonly description: Pick<BackendDescription, "library" | "version" | "device" | "driver" | "algorithms">;
  /** Whether it is an adapter on the CPU, which is slower than an engine for CPUs. */
  readonly isSoftware?: boolean;
  /** Rejects with DeviceLostError once the device is gone; never settles on an engine that has none. */
  readonly lost: Promise<never>;
  /** Throws DeviceLostError once the engine is gone. */
  check(): void;
  isGone(): boolean;
  /** Of weights that convolutions have packed for themselves: gives back the memory of the original. */
  readonly releasePacked?: (tensor: object) => void;
  /** Whether it keeps no reference to the numbers of a tensor that is made. */
  readonly copies: boolean;
}

/** What an opener answers; the rest is the same for all. */
export interface Opened {
  readonly registered: Registered;
  readonly device: string;
  readonly driver?: string | undefined;
  readonly library?: string;
  readonly isSoftware?: boolean;
  readonly lost?: Promise<string>;
  readonly algorithms?: BackendDescription["algorithms"];
  readonly releasePacked?: (tensor: object) => void;
}

interface Entry {
  readonly package: string;
  readonly dialect: Dialect;
  readonly copies?: true;
  open(options: EngineOptions): Promise<Opened>;
}

/**
 * What each engine is. Forms of convolutions in groups were measured on ResNeXt-50's seven shapes (docs/tfjs.md):
 *
 * - wasm and cpu: each channel alone, then sums. XNNPACK has quick kernels for it, at no more weights; 32 convolutions of 4 to 32
 *   channels take 1 to 12 times as long. From 64 channels on the products, 64 times the channels of the image, cost more than is gained.
 * - webgpu, webgl and TensorFlow itself: a convolution a group. A depthwise one takes 3 to 6 times as long on webgpu.
 */
const onCpu: Dialect = {
  padsConvolutions: true,
  padsPools: true,
  grouped: (channels) => (channels < 64 ? "depthwise" : "split"),
};
const onGpu: Dialect = { ...onCpu, grouped: () => "split" };
/** TensorFlow's own operators take a padding by name alone: the image is padded before. */
const inTensorFlow: Dialect = { padsConvolutions: false, padsPools: false, grouped: () => "split" };

const entries: { readonly [Name in EngineName]: Entry } = {
  cpu: { package: "@tensorflow/tfjs-backend-cpu", dialect: onCpu, open: openCpu },
  wasm: { package: "@tensorflow/tfjs-backend-wasm", dialect: onCpu, copies: true, open: openWasm },
  webgl: { package: "@tensorflow/tfjs-backend-webgl", dialect: onGpu, open: openWebgl },
  webgpu: { package: "@tensorflow/tfjs-backend-webgpu", dialect: onGpu, open: openWebgpu },
  node: {
    package: "@tensorflow/tfjs-node",
    dialect: inTensorFlow,
    open: ({ tf }) => openNode("@tensorflow/tfjs-node", "cpu", tf),
  },
  "node-gpu": {
    package: "@tensorflow/tfjs-node-gpu",
    dialect: inTensorFlow,
    open: ({ tf }) => openNode("@tensorflow/tfjs-node-gpu", "gpu", tf),
  },
};

export const engineNames: readonly EngineName[] = Object.keys(entries) as EngineName[];

/** What an engine's programs are made of, whether or not it is here. */
export function dialectOf(name: EngineName): Dialect {
  return entries[name].dialect;
}

/** The npm package of an engine. */
export function packageOf(name: EngineName): string {
  return entries[name].package;
}

/** Opens an engine. Throws BackendUnavailableError where its package or its device is missing. */
export async function openEngine(name: EngineName, options: EngineOptions = {}): Promise<Engine> {
  const entry = entries[name];
  const opened = await entry.open(options);
  const { registered, device, driver, library, algorithms, isSoftware, releasePacked } = opened;
  let reason: string | undefined;
  const lost = new Promise<never>((_, reject) => {
    void opened.lost?.then((why) => {
      reason = why;
      reject(lostError(name, why));
    });
  });
  lost.catch(() => {}); // whoever runs is told
  return {
    ...registered,
    name,
    dialect: entry.dialect,
    description: {
      library: library ?? entry.package,
      version: VERSION,
      device,
      ...(driver !== undefined && { driver }),
      ...(algorithms && { algorithms }),
    },
    ...(isSoftware && { isSoftware }),
    ...(releasePacked && { releasePacked }),
    copies: entry.copies ?? false,
    lost,
    check() {
      if (reason !== undefined) throw lostError(name, reason);
      if (!isRegistered(registered)) throw lostError(name, "somebody removed it from tfjs");
    },
    isGone: () => reason !== undefined || !isRegistered(registered),
  };
}

function lostError(name: EngineName, why: string): DeviceLostError {
  return new DeviceLostError(`tfjs: the engine ${name} is lost (${why}); compile the graph again`);
}

/**
 * The best engine that is here: in Node TensorFlow itself, else wasm, since GPUs are better reached by @residual/webgpu; in browsers
 * what has a GPU, else wasm. Throws what the last of them throws where none is.
 */
export async function openBest(options: EngineOptions): Promise<Engine> {
  const isNode = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
  const names: readonly EngineName[] = isNode ? ["node-gpu", "node", "wasm", "cpu"] : ["webgpu", "webgl", "wasm", "cpu"];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      const engine = await openEngine(name, options);
      if (!engine.isSoftware) return engine;
      reasons.push(`${name} is on a software adapter (${engine.description.device})`);
    } catch (error) {
      if (!(error instanceof BackendUnavailableError)) throw error;
      reasons.push(error.message);
    }
  }
  throw unavailable("@tensorflow/tfjs-backend-wasm", `is not here, nor is another engine (${reasons.join("; ")})`);
}

async function openCpu({ tf: given }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given);
  await importEngine(tf, "@tensorflow/tfjs-backend-cpu", () => import("@tensorflow/tfjs-backend-cpu"));
  const isNew = tf.engine().registry.cpu === undefined;
  const instance = tf.engine().findBackend("cpu") as EngineInstance;
  if (isNew) Object.assign(instance, { firstUse: false }); // else it greets on stderr
  return { registered: register(tf, "cpu", instance), device: "cpu" };
}

/** Shared with the process, as contexts of WebGL are few. */
async function openWebgl({ tf: given }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given);
  await importEngine(tf, "@tensorflow/tfjs-backend-webgl", () => import("@tensorflow/tfjs-backend-webgl"));
  const instance = tf.engine().findBackend("webgl") as (EngineInstance & { readonly gpgpu: { readonly gl: Gl } }) | null;
  if (!instance) throw new BackendUnavailableError("tfjs: there is no WebGL here; it is of browsers, so take wasm or webgpu");
  const { gl } = instance.gpgpu;
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  const device = String(named ? gl.getParameter(named.UNMASKED_RENDERER_WEBGL) : gl.getParameter(gl.RENDERER));
  const lost = new Promise<string>((resolve) => {
    gl.canvas.addEventListener("webglcontextlost", () => resolve("its context was taken away"), { once: true });
  });
  return {
    registered: register(tf, "webgl", instance),
    device,
    lost,
    isSoftware: /swiftshader|llvmpipe|software/i.test(device),
    ...(instance.floatPrecision() === 16 && { algorithms: ["float16-storage"] as const }),
  };
}

/** The part of WebGLRenderingContext that is used here. */
interface Gl {
  readonly canvas: { addEventListener(type: string, listener: () => void, options: { once: boolean }): void };
  readonly RENDERER: number;
  getExtension(name: "WEBGL_debug_renderer_info"): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getParameter(name: number): unknown;
}
