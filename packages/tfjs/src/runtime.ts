/// <reference types="@webgpu/types" />
import { BackendUnavailableError } from "@residual/core";
import { packagesFor, VERSION } from "./dialects.ts";
import type { TensorFlowCore } from "./options.ts";
import { packages } from "./packages.ts";

/** tfjs-core, or a package that includes it: `@tensorflow/tfjs`, `@tensorflow/tfjs-node`. */
export type TensorFlow = typeof import("@tensorflow/tfjs-core");
export type EngineInstance = InstanceType<TensorFlow["KernelBackend"]>;

/** tfjs-core's state of the selected engine. It declares half of it private. */
interface Selection {
  backendName: string | undefined;
  backendInstance: EngineInstance | undefined;
  pendingBackendInit: Promise<unknown> | undefined;
  profiler: unknown;
}

/** An engine as tfjs-core knows it. */
export interface Registered {
  readonly tf: TensorFlow;
  /** The name that its kernels are registered under. */
  readonly registered: string;
  readonly instance: EngineInstance;
  /** The engine that `within` selects. */
  readonly selection: Selection;
}

export function selectionOf(tf: TensorFlow): Selection {
  const engine = tf.engine() as unknown as Selection;
  const { backendName, backendInstance, pendingBackendInit, profiler } = engine;
  return { backendName, backendInstance, pendingBackendInit, profiler };
}

/**
 * Runs synchronous work on an engine, in a separate scope of tensors. The engine that the process has selected is
 * selected again afterwards; no other code runs in between. Tensors to keep need `tf.keep`.
 */
export function within<T>({ tf, selection }: Registered, work: () => T): T {
  const before = selectionOf(tf);
  Object.assign(tf.engine(), selection);
  tf.engine().startScope();
  try {
    return work();
  } finally {
    tf.engine().endScope();
    Object.assign(tf.engine(), before);
  }
}

/** Registers an existing engine and sets its kernels up, as `tf.setBackend` does, without selecting it. */
export function register(tf: TensorFlow, registered: string, instance: EngineInstance): Registered {
  const before = selectionOf(tf);
  const { registry, registryFactory } = tf.engine();
  const isPublic = registered in registryFactory;
  if (isPublic && !keptAlone.has(instance)) keepAlone(tf, registered, instance);
  registry[registered] = instance;
  registryFactory[registered] ??= { factory: () => instance, priority: 0 };
  void tf.setBackend(registered); // done when it returns: it waits only for engines that are not initialized
  if (!isPublic) delete registryFactory[registered]; // so that tfjs does not choose it by itself
  const selection = { ...selectionOf(tf), pendingBackendInit: undefined };
  Object.assign(tf.engine(), before);
  return { tf, registered, instance, selection };
}

/**
 * `tf.ready()` and similar calls initialize the engine that they choose; for an open engine they must get that engine.
 */
function keepAlone(tf: TensorFlow, registered: string, instance: EngineInstance): void {
  const { registry, registryFactory } = tf.engine();
  const entry = registryFactory[registered]!;
  const { factory } = entry;
  keptAlone.add(instance);
  entry.factory = () => (registry[registered] === instance ? instance : factory());
}

const keptAlone = new WeakSet<EngineInstance>();

/** Whether an engine is still registered. If not, its tensors are gone. */
export function isRegistered({ tf, registered, instance }: Registered): boolean {
  return tf.engine().registry[registered] === instance;
}

/**
 * tfjs-core, the caller's own if given. Throws BackendUnavailableError if it is missing or unusable; the error names
 * the packages to install, with the engine's.
 */
export async function loadCore(given?: TensorFlowCore, enginePackage?: string): Promise<TensorFlow> {
  const tf =
    (given as TensorFlow | undefined) ??
    (await load("@tensorflow/tfjs-core", packages["@tensorflow/tfjs-core"], enginePackage));
  checkVersion("@tensorflow/tfjs-core", tf.version_core);
  // All copies share the state that the first one keeps on globalThis, but not its classes.
  if (Object.getPrototypeOf(tf.env()) === tf.Environment.prototype) return tf;
  throw new BackendUnavailableError(
    "tfjs: another copy of @tensorflow/tfjs-core was loaded before this one, and the two would share one engine; leave one of them " +
      `(npm ls @tensorflow/tfjs-core shows them, npm install @tensorflow/tfjs-core@${VERSION} makes them one), or pass yours: tfjs({ tf })`,
  );
}

/**
 * Imports a package that registers an engine. An engine new to the process gets the lowest priority in tfjs's own
 * choice.
 */
export async function importEngine<T>(tf: TensorFlow, name: string, importPackage: () => Promise<T>): Promise<T> {
  const { registryFactory } = tf.engine();
  const before = new Set(Object.keys(registryFactory));
  const module = await load(name, importPackage);
  for (const [engine, entry] of Object.entries(registryFactory)) if (!before.has(engine)) entry.priority = 0;
  return module;
}

/**
 * Imports a package. Throws BackendUnavailableError, with the packages to install for `wanted`, if it is missing or
 * broken.
 */
export async function load<T>(name: string, importPackage: () => Promise<T>, wanted: string = name): Promise<T> {
  try {
    const module = await importPackage();
    return (module as { default?: T } & T).default ?? module; // CommonJS in Node
  } catch (cause) {
    const reason = isMissing(cause, name) ? "is not installed" : `does not load (${textOf(cause)})`;
    throw unavailable(name, reason, cause, wanted);
  }
}

/** Node reports a missing module by a code; bundlers replace an optional peer by a module that throws a text. */
export function isMissing(error: unknown, name: string): boolean {
  const { code } = (error ?? {}) as { code?: string };
  const isNotFound = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  return (isNotFound || /could not resolve|failed to resolve/i.test(textOf(error))) && textOf(error).includes(name);
}

export function checkVersion(name: string, found: string | undefined): void {
  if (found !== VERSION) throw unavailable(name, `is version ${found ?? "unknown"}, expected ${VERSION}`);
}

/** `wanted`: the package that needs it. */
export function unavailable(
  name: string,
  reason: string,
  cause?: unknown,
  wanted: string = name,
): BackendUnavailableError {
  return new BackendUnavailableError(`tfjs: ${name} ${reason}; npm install ${packagesFor(wanted)}`, { cause });
}

export function textOf(error: unknown): string {
  return error instanceof Error
    ? error.message
    : String((error as { message?: unknown } | undefined)?.message ?? error);
}
