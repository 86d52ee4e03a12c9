import { BackendUnavailableError, mapValues } from "@residual/core";
import { webAssemblyRefusal } from "@residual/kit/web-assembly";
import type { Opened } from "./engine.ts";
import type { EngineOptions, TensorFlowCore, WasmPaths } from "./options.ts";
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
 * Throws BackendUnavailableError if the package or its .wasm file is missing, or WebAssembly may not be compiled.
 */
export async function openWasm({ tf: given, wasmPaths }: EngineOptions): Promise<Opened> {
  const refusal = await webAssemblyRefusal();
  if (refusal !== undefined) throw new BackendUnavailableError(`tfjs: ${refusal}`);
  const tf = await loadCore(given, PACKAGE);
  const isThere = given && tf.engine().registryFactory.wasm && (wasmPaths === undefined || given.setWasmPaths);
  const { setWasmPaths } = isThere ? given : await importEngine(tf, PACKAGE, packages[PACKAGE]);
  const instance = (await instanceOf(tf, wasmPaths, setWasmPaths)) as WasmInstance;
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
  paths: WasmPaths | undefined,
  setWasmPaths: TensorFlowCore["setWasmPaths"],
): Promise<EngineInstance> {
  await selectionOf(tf).pendingBackendInit; // another caller may be opening it
  const { registry, registryFactory } = tf.engine();
  if (registry.wasm) return registry.wasm;
  const entry = registryFactory.wasm;
  if (!entry) throw unavailable(PACKAGE, "registers no engine (it was removed from tfjs)");
  const found = paths === undefined ? undefined : await checkedPaths(paths);
  if (typeof found === "object" && !(THREADED in found)) tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (found !== undefined) setWasmPaths?.(typeof found === "string" ? found : withAll(found));
  const { factory } = entry;
  const opening = withoutHandlers(async () => factory());
  entry.factory = () => opening; // concurrent callers get the same engine
  try {
    const instance = await opening;
    return registry.wasm ?? instance;
  } catch (cause) {
    throw notFound(paths === undefined ? "beside its code" : `by wasmPaths (${JSON.stringify(paths)})`, cause);
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

/** The file that engines with SIMD load, which all current machines have. */
const FILE = "tfjs-backend-wasm-simd.wasm";
/** The file for threads that share memory. Without it runs have one thread. */
const THREADED = "tfjs-backend-wasm-threaded-simd.wasm";

/** tfjs refuses a list that lacks a file, even one that it will not load. */
function withAll(files: Exclude<WasmPaths, string>): Exclude<WasmPaths, string> {
  const file = files[FILE]!;
  return { "tfjs-backend-wasm.wasm": file, [THREADED]: file, ...files };
}

/** Checked before tfjs does: after tfjs fails to find its file, its path cannot be changed. */
async function checkedPaths(paths: WasmPaths): Promise<WasmPaths> {
  const node = (globalThis as { process?: Partial<Builtins> }).process?.getBuiltinModule;
  const path = (given: string) => (node && given.startsWith("file:") ? node("node:url").fileURLToPath(given) : given);
  const isFolder = typeof paths === "string";
  const found = isFolder ? path(paths.endsWith("/") ? paths : `${paths}/`) : mapValues(paths, path);
  const file = typeof found === "string" ? `${found}${FILE}` : found[FILE];
  if (file === undefined) throw notFound(`named ${FILE} in wasmPaths`);
  if (!(node ? node("node:fs").existsSync(file) : await isServed(file)))
    throw notFound(isFolder ? `in ${paths}` : `at ${file}`);
  return found;
}

async function isServed(url: string): Promise<boolean> {
  const found = await fetch(url, { method: "HEAD" }).catch(() => undefined);
  // some servers answer every path with a page
  return found?.ok === true && !found.headers.get("content-type")?.startsWith("text/html");
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
