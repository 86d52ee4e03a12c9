import { BackendUnavailableError } from "@residual/core";
import { packageOf } from "./dialects.ts";
import type { Opened } from "./engine.ts";
import type { EngineOptions } from "./options.ts";
import {
  checkVersion,
  type EngineInstance,
  load,
  loadCore,
  register,
  type TensorFlow,
  textOf,
  unavailable,
} from "./runtime.ts";

/** tfjs-node includes all of tfjs, also its own tfjs-core. */
type NodePackage = TensorFlow & { readonly version?: { readonly [name: string]: string } };

/** What tfjs-node's engine says of itself. */
type NodeEngine = EngineInstance & {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
};

/**
 * Opens TensorFlow's C library through tfjs-node or tfjs-node-gpu. Only this file loads them: their install scripts
 * download libtensorflow, which many machines do not allow.
 *
 * Throws BackendUnavailableError if the package, its addon, libtensorflow or the GPU of node-gpu is missing.
 */
export async function openNode(engine: "node" | "node-gpu", { tf: given }: EngineOptions): Promise<Opened> {
  const name = packageOf(engine);
  restoreIsNullOrUndefined();
  const module = (given as NodePackage | undefined) ?? (await importNode(name));
  checkVersion(name, module.version?.["tfjs-node"] ?? module.version_core);
  const tf = await loadCore(module);
  const instance = tf.engine().findBackend("tensorflow") as NodeEngine | null;
  if (!instance) throw unavailable(name, "registers no engine named tensorflow");
  const { isUsingGpuDevice, binding } = instance;
  // TensorFlow would run on the CPU
  if (engine === "node-gpu" && !isUsingGpuDevice) {
    throw unusable(name, `finds no GPU; it needs ${FOR_GPU}, or take tfjs-node`);
  }
  return {
    registered: register(tf, "tensorflow", instance),
    device: isUsingGpuDevice ? "gpu" : "cpu",
    driver: `libtensorflow ${binding.TF_Version}`,
  };
}

/** Imported through a variable, so that neither the compiler nor a bundler resolves it. */
async function importNode(name: string): Promise<NodePackage> {
  try {
    return await load(name, () => import(/* @vite-ignore */ /* webpackIgnore: true */ name) as Promise<NodePackage>);
  } catch (error) {
    const { cause } = error as { readonly cause?: unknown };
    if (/native addon module/.test(textOf(cause))) {
      const wayOut = `allow it (pnpm approve-builds), or npm rebuild ${name} --build-addon-from-source`;
      throw unusable(name, `does not load without its addon, which its install script fetches; ${wayOut}`, error);
    }
    if ((cause as { readonly code?: unknown }).code !== "ERR_DLOPEN_FAILED") throw error;
    const wayOut = `npm rebuild ${name} fetches its addon and libtensorflow again`;
    const mirror = "TFJS_NODE_CDN_STORAGE names a mirror where their host is out of reach";
    const forGpu = name === packageOf("node-gpu") ? `; it needs ${FOR_GPU}` : "";
    throw unusable(name, `does not load (${textOf(cause)}); ${wayOut}, ${mirror}${forGpu}`, error);
  }
}

/** What tfjs-node-gpu 4.22 was built with. */
const FOR_GPU = "CUDA 11.2 and cuDNN 8.1";

function unusable(name: string, reason: string, cause?: unknown): BackendUnavailableError {
  return new BackendUnavailableError(`tfjs: ${name} ${reason}`, { cause });
}

/** tfjs-node 4.22 calls a function that Node 23 removed (tensorflow/tfjs#8425), in nearly every op. */
function restoreIsNullOrUndefined(): void {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: "node:util"): Util } };
  const util = process?.getBuiltinModule?.("node:util");
  if (!util)
    throw new BackendUnavailableError("tfjs: TensorFlow's C library runs in Node alone; take webgpu, webgl or wasm");
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
}

interface Util {
  isNullOrUndefined?: (value: unknown) => boolean;
}
