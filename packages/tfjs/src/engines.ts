import { BackendUnavailableError, DeviceLostError } from "@residual/core";
import { dialectOf, type EngineName, packageOf, VERSION } from "./dialects.ts";
import type { Engine, Opened } from "./engine.ts";
import type { EngineOptions } from "./options.ts";
import { packages } from "./packages.ts";
import {
  type EngineInstance,
  importEngine,
  isMissing,
  isRegistered,
  loadCore,
  register,
  unavailable,
} from "./runtime.ts";
import { openNode } from "./tfjs-node.ts";
import { openWasm } from "./wasm.ts";
import { openWebgpu } from "./webgpu.ts";

const openers: { readonly [Name in EngineName]: (options: EngineOptions) => Promise<Opened> } = {
  cpu: openCpu,
  wasm: openWasm,
  webgl: openWebgl,
  webgpu: openWebgpu,
  node: (options) => openNode("node", options),
  "node-gpu": (options) => openNode("node-gpu", options),
};

/** Opens an engine. Throws BackendUnavailableError if its package or its device is missing. */
export async function openEngine(name: EngineName, options: EngineOptions = {}): Promise<Engine> {
  const opened = await openers[name](options);
  const { registered, device, driver, algorithms, isSoftware, heap } = opened;
  let reason: string | undefined;
  const lost = new Promise<never>((_, reject) => {
    void opened.lost?.then((why) => {
      reason = why;
      reject(lostError(name, why));
    });
  });
  lost.catch(() => {}); // each run reports it
  return {
    ...registered,
    name,
    dialect: dialectOf(name),
    description: {
      library: packageOf(name),
      version: VERSION,
      device,
      ...(driver !== undefined && { driver }),
      ...(algorithms && { algorithms }),
    },
    ...(isSoftware && { isSoftware }),
    ...(heap && { heap }),
    lost,
    check() {
      if (reason !== undefined) throw lostError(name, reason);
      if (!isRegistered(registered)) throw lostError(name, "it was removed from tfjs");
    },
    isGone: () => reason !== undefined || !isRegistered(registered),
  };
}

function lostError(name: EngineName, why: string): DeviceLostError {
  return new DeviceLostError(`tfjs: the engine ${name} is lost (${why}); compile the graph again`);
}

/**
 * The best available engine. In Node: TensorFlow's C library, else wasm (GPUs are faster through @residual/webgpu). In
 * browsers: an engine on a GPU, else wasm. Throws the last engine's error if none is available.
 */
export async function openBest(options: EngineOptions): Promise<Engine> {
  const isNode = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
  const names: readonly EngineName[] = isNode
    ? ["node-gpu", "node", "wasm", "cpu"]
    : ["webgpu", "webgl", "wasm", "cpu"];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      const engine = await openEngine(name, options);
      if (!engine.isSoftware) return engine;
      reasons.push(`${name} is on a software adapter (${engine.description.device})`);
    } catch (error) {
      if (!(error instanceof BackendUnavailableError)) throw error;
      if (!isMissing(error.cause, "@tensorflow/")) reasons.push(error.message);
    }
  }
  const [others = ""] = reasons.length > 0 ? [` (${reasons.join("; ")})`] : [];
  throw unavailable(packageOf("wasm"), `is not installed, nor does another engine work${others}`);
}

async function openCpu({ tf: given }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given, packageOf("cpu"));
  if (!(given && tf.engine().registryFactory.cpu))
    await importEngine(tf, packageOf("cpu"), packages["@tensorflow/tfjs-backend-cpu"]);
  const isNew = tf.engine().registry.cpu === undefined;
  const instance = tf.engine().findBackend("cpu");
  if (isNew) Object.assign(instance, { firstUse: false }); // otherwise it prints a greeting to stderr
  return { registered: register(tf, "cpu", instance), device: "cpu" };
}

/** Shared with the process, since browsers limit the number of WebGL contexts. */
async function openWebgl({ tf: given }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given, packageOf("webgl"));
  if (!(given && tf.engine().registryFactory.webgl))
    await importEngine(tf, packageOf("webgl"), packages["@tensorflow/tfjs-backend-webgl"]);
  const instance = tf.engine().findBackend("webgl") as
    | (EngineInstance & { readonly gpgpu: { readonly gl: Gl } })
    | null;
  if (!instance)
    throw new BackendUnavailableError("tfjs: WebGL exists only in browsers; take tfjs-wasm or tfjs-webgpu");
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
    ...(!tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED") && { algorithms: ["float16-storage"] as const }),
  };
}

/** The part of WebGLRenderingContext that Residual uses. */
interface Gl {
  readonly canvas: { addEventListener(type: string, listener: () => void, options: { once: boolean }): void };
  readonly RENDERER: number;
  getExtension(name: "WEBGL_debug_renderer_info"): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getParameter(name: number): unknown;
}
