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

/** tfjs-node brings all of tfjs with it, its own tfjs-core included. */
type NodePackage = TensorFlow & { readonly version?: { readonly [name: string]: string } };

/**
 * Opens TensorFlow's C library through tfjs-node or tfjs-node-gpu. Neither is ever loaded but from here: their install
 * scripts fetch libtensorflow, which many machines may not.
 *
 * Throws BackendUnavailableError where the package, its addon or libtensorflow is missing.
 */
export async function openNode(engine: "node" | "node-gpu", { tf: given }: EngineOptions): Promise<Opened> {
  const name = packageOf(engine);
  restoreIsNullOrUndefined();
  const module = (given as NodePackage | undefined) ?? (await importNode(name));
  checkVersion(name, module.version?.["tfjs-node"] ?? module.version_core);
  const tf = await loadCore(module);
  const instance = tf.engine().findBackend("tensorflow") as EngineInstance | null;
  if (!instance) throw unavailable(name, "registers no engine named tensorflow");
  return { registered: register(tf, "tensorflow", instance), device: engine === "node" ? "cpu" : "gpu" };
}

/** By a variable: neither the compiler nor a bundler is to look for it. */
async function importNode(name: string): Promise<NodePackage> {
  try {
    return await load(name, () => import(/* @vite-ignore */ /* webpackIgnore: true */ name) as Promise<NodePackage>);
  } catch (error) {
    const text = textOf((error as { cause?: unknown }).cause);
    const reason = reasons.find(([pattern]) => pattern.test(text))?.[1];
    if (reason === undefined) throw error;
    throw new BackendUnavailableError(`tfjs: ${name} ${reason(name)}`, { cause: error });
  }
}

/** What its own errors mean. */
const reasons: readonly (readonly [pattern: RegExp, reason: (name: string) => string])[] = [
  [
    /tfjs_binding\.node|native addon module/,
    (name) =>
      `is installed without its addon, which its install script fetches; allow it (pnpm approve-builds), or npm rebuild ${name} --build-addon-from-source`,
  ],
  [
    /libtensorflow|libcudart|libcudnn|libcublas/,
    (name) =>
      `does not find the libraries that it needs; npm rebuild ${name} fetches libtensorflow, TFJS_NODE_CDN_STORAGE names a mirror where its host is out of reach; the GPU's also needs CUDA 11.2 and cuDNN 8.1`,
  ],
];

/** tfjs-node 4.22 calls what Node 23 took away (tensorflow/tfjs#8425), in nearly every op. */
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
