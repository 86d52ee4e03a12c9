import type { Opened } from "./engines.ts";
import type { EngineOptions } from "./options.ts";
import { type EngineInstance, importEngine, loadCore, register, type TensorFlow, textOf, unavailable } from "./runtime.ts";

const PACKAGE = "@tensorflow/tfjs-backend-wasm";

/** The part of the engine that tfjs does not declare. */
type WasmInstance = EngineInstance & {
  readonly wasm: { _free(offset: number): void };
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
};

/**
 * Opens the wasm engine, the process's own where there is one: its kernels are bound to one instance, whichever was set up last, so
 * there must be no second.
 *
 * Throws BackendUnavailableError where the package or its .wasm file is missing.
 */
export async function openWasm({ tf: given, wasmPaths }: EngineOptions): Promise<Opened> {
  const tf = await loadCore(given);
  const { setWasmPaths } = await importEngine(tf, PACKAGE, () => import("@tensorflow/tfjs-backend-wasm"));
  const instance = (await instanceOf(tf, wasmPaths, setWasmPaths)) as WasmInstance;
  return {
    registered: register(tf, "wasm", instance),
    device: "cpu",
    releasePacked(tensor) {
      const held = instance.dataIdMap.get((tensor as { dataId: object }).dataId);
      instance.wasm._free(held.memoryOffset);
      held.memoryOffset = 0; // which free takes for nothing, when the tensor is disposed
    },
  };
}

async function instanceOf(
  tf: TensorFlow,
  paths: string | undefined,
  setWasmPaths: (paths: string) => void,
): Promise<EngineInstance> {
  const { pendingBackendInit } = tf.engine() as unknown as { readonly pendingBackendInit?: Promise<unknown> };
  await pendingBackendInit; // somebody may be opening it just now
  const { registry, registryFactory } = tf.engine();
  if (registry.wasm) return registry.wasm;
  const entry = registryFactory.wasm;
  if (!entry) throw unavailable(PACKAGE, "registers no engine (somebody removed it from tfjs)");
  if (paths !== undefined) setWasmPaths(paths.endsWith("/") ? paths : `${paths}/`);
  const { factory } = entry;
  const opening = withoutHandlers(async () => factory());
  entry.factory = () => opening; // whoever asks for it meanwhile gets the same one
  try {
    const instance = await opening;
    return registry.wasm ?? instance;
  } catch (cause) {
    const where = paths === undefined ? "beside its code" : `in ${paths}`;
    const wayOut = "serve it there, or say where it is: tfjs({ engine: \"wasm\", wasmPaths: \"https://…/\" })";
    throw unavailable(PACKAGE, `found no .wasm file ${where}; ${wayOut} (${textOf(cause)})`, cause);
  } finally {
    entry.factory = factory;
  }
}

/** The part of Node's process that is used here. */
interface Emitter {
  listeners(event: string): (() => void)[];
  off(event: string, listener: () => void): void;
}

/** Emscripten would have a say in what becomes of the process's exceptions. */
async function withoutHandlers<T>(work: () => Promise<T>): Promise<T> {
  const node = (globalThis as { process?: Partial<Emitter> }).process;
  if (!node?.listeners) return work();
  const { listeners, off } = node as Emitter;
  const events = ["uncaughtException", "unhandledRejection"];
  const before = events.map((event) => new Set(listeners.call(node, event)));
  try {
    return await work();
  } finally {
    for (const [i, event] of events.entries()) {
      for (const listener of listeners.call(node, event)) if (!before[i]!.has(listener)) off.call(node, event, listener);
    }
  }
}
