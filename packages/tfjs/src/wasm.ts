import { BackendUnavailableError } from "@residual/core";
import type { Opened } from "./engine.ts";
import type { EngineOptions } from "./options.ts";
import { packages } from "./packages.ts";
import {
  type EngineInstance,
  importEngine,
  loadCore,
  register,
  selectionOf,
  type TensorFlow,
  textOf,
  unavailable,
} from "./runtime.ts";

const PACKAGE = "@tensorflow/tfjs-backend-wasm";

/** The part of the engine that tfjs does not declare. */
type WasmInstance = EngineInstance & {
  readonly wasm: { readonly HEAPU8: Uint8Array; _free(offset: number): void };
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
};

/**
 * Opens the wasm engine, or returns the process's own: its kernels are bound to the instance that was set up last, so
 * there must be only one.
 *
 * Throws BackendUnavailableError if the package or its .wasm file is missing.
 */
export async function openWasm({ tf: given, wasmPaths }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given, PACKAGE);
  const isThere = given && wasmPaths === undefined && tf.engine().registryFactory.wasm;
  const imported = isThere ? undefined : await importEngine(tf, PACKAGE, packages[PACKAGE]);
  const instance = (await instanceOf(tf, wasmPaths, imported?.setWasmPaths)) as WasmInstance;
  const held = (tensor: object) => instance.dataIdMap.get((tensor as { dataId: object }).dataId);
  return {
    registered: register(tf, "wasm", instance),
    device: "cpu",
    heap: {
      numbersOf(tensor) {
        const { size } = tensor as { readonly size: number };
        return new Float32Array(instance.wasm.HEAPU8.buffer, held(tensor).memoryOffset, size);
      },
      release(tensor) {
        const of = held(tensor);
        instance.wasm._free(of.memoryOffset);
        of.memoryOffset = 0; // which frees memory without effect, when the tensor is disposed
      },
    },
  };
}

async function instanceOf(
  tf: TensorFlow,
  paths: string | undefined,
  setWasmPaths: ((paths: string) => void) | undefined,
): Promise<EngineInstance> {
  await selectionOf(tf).pendingBackendInit; // another caller may be opening it
  const { registry, registryFactory } = tf.engine();
  if (registry.wasm) return registry.wasm;
  const entry = registryFactory.wasm;
  if (!entry) throw unavailable(PACKAGE, "registers no engine (it was removed from tfjs)");
  if (paths !== undefined) setWasmPaths?.(await folderWithFile(paths));
  const { factory } = entry;
  const opening = withoutHandlers(async () => factory());
  entry.factory = () => opening; // concurrent callers get the same engine
  try {
    const instance = await opening;
    return registry.wasm ?? instance;
  } catch (cause) {
    throw notFound(paths === undefined ? "beside its code" : `in ${paths}`, cause);
  } finally {
    entry.factory = factory;
  }
}

function notFound(where: string, cause?: unknown): BackendUnavailableError {
  const wayOut =
    'put it there, or say where it is: load({ wasmPaths: { tfjs: "https://…/" } }), or tfjs({ wasmPaths })';
  const words = `tfjs: ${PACKAGE} found no .wasm file ${where}; ${wayOut}`;
  return new BackendUnavailableError(cause === undefined ? words : `${words} (${textOf(cause)})`, { cause });
}

/** The file that engines for SIMD load, which all current machines have. */
const FILE = "tfjs-backend-wasm-simd.wasm";

/** Checked before tfjs does: after tfjs fails to find its file, its path cannot be changed. */
async function folderWithFile(paths: string): Promise<string> {
  const node = (globalThis as { process?: Partial<Builtins> }).process?.getBuiltinModule;
  let folder = paths.endsWith("/") ? paths : `${paths}/`;
  if (node) {
    if (folder.startsWith("file:")) folder = node("node:url").fileURLToPath(folder);
    if (!node("node:fs").existsSync(`${folder}${FILE}`)) throw notFound(`in ${paths}`);
    return folder;
  }
  const found = await fetch(`${folder}${FILE}`, { method: "HEAD" }).catch(() => undefined);
  // some servers answer every path with a page
  const isThere = found?.ok === true && !found.headers.get("content-type")?.startsWith("text/html");
  if (!isThere) throw notFound(`in ${paths}`);
  return folder;
}

interface Builtins {
  getBuiltinModule(name: "node:fs"): typeof import("node:fs");
  getBuiltinModule(name: "node:url"): typeof import("node:url");
}

/** The part of Node's process that Residual uses. */
interface Emitter {
  readonly listeners: (event: string) => (() => void)[];
  readonly off: (event: string, listener: () => void) => void;
}

/** Emscripten would otherwise handle the process's uncaught exceptions. */
async function withoutHandlers<T>(work: () => Promise<T>): Promise<T> {
  const node = (globalThis as { process?: Partial<Emitter> }).process;
  const handlers = () => events.map((event) => node?.listeners?.(event) ?? []);
  const before = new Set(handlers().flat());
  try {
    return await work();
  } finally {
    for (const [i, listeners] of handlers().entries())
      for (const listener of listeners) if (!before.has(listener)) node?.off?.(events[i]!, listener);
  }
}

const events: readonly string[] = ["uncaughtException", "unhandledRejection"];
