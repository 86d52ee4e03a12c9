import {
  type Backend,
  type BackendDescription,
  BackendUnavailableError,
  ResidualError,
  reference,
} from "@residual/core";
import type { OnnxDevice } from "@residual/onnx";
import type { EngineName } from "@residual/tfjs";
import { unknownName } from "./names.ts";
import { OptionError } from "./option-error.ts";

export interface BackendOptions {
  /** Threads of one run; one per core where not given. Backends without threads of their own pass it over. */
  readonly threads?: number | undefined;
  /** Is told, in words for people, what makes a backend slower than it could be. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

interface Row {
  create(options: BackendOptions): Promise<Backend>;
  /** The command that makes it available where it is not; empty where it always is. */
  install(): Promise<string>;
}

/** Each adapter is imported when it is first asked for: none is needed, and a bundler makes a chunk of each. */
const onnx = () => import("@residual/onnx").catch(unavailable("@residual/onnx"));
const tfjs = () => import("@residual/tfjs").catch(unavailable("@residual/tfjs"));
const webgpu = () => import("@residual/webgpu").catch(unavailable("@residual/webgpu"));

/** Best first: the order in which `auto` tries them in Node, and `doctor` lists them. */
const rows = {
  onnx: onDevice("cpu"),
  webgpu: row(
    async ({ onWarning }) => (await webgpu()).webgpu({ ...(await cacheOption()), onWarning }),
    async () => "npm install webgpu",
  ),
  "onnx-cuda": onDevice("cuda"),
  "onnx-dml": onDevice("dml"),
  "onnx-coreml": onDevice("coreml"),
  "onnx-webgpu": onDevice("webgpu"),
  tfjs: row(async () => (await tfjs()).tfjs(), installFor("wasm")),
  "tfjs-node-gpu": onEngine("node-gpu"),
  "tfjs-node": onEngine("node"),
  "tfjs-wasm": onEngine("wasm"),
  "tfjs-webgpu": onEngine("webgpu"),
  "tfjs-webgl": onEngine("webgl"),
  "tfjs-cpu": onEngine("cpu"),
  reference: row(
    async () => reference,
    async () => "",
  ),
};

/** By its type, which names no adapter: declarations must not need packages that a user may not have. */
function row(create: Row["create"], install: Row["install"]): Row {
  return { create, install };
}

function onDevice(device: OnnxDevice): Row {
  return row(
    async ({ threads }) => (await onnx()).onnx({ device, ...(threads !== undefined && { threads }) }),
    async () => (await onnx()).installOf(device),
  );
}

function onEngine(engine: EngineName): Row {
  return row(async () => (await tfjs()).tfjs({ engine }), installFor(engine));
}

function installFor(engine: EngineName): () => Promise<string> {
  return async () => `npm install ${(await tfjs()).installOf(engine)}`;
}

const isNode = typeof process !== "undefined" && process.versions?.node !== undefined;

/** Tuned kernels are kept in a file from process to process; a browser has none. */
async function cacheOption() {
  if (!isNode) return {};
  const { fileCache } = await import("./file-cache.ts");
  return { cache: fileCache() };
}

function unavailable(adapter: string): (cause: unknown) => never {
  return (cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const wayOut = `if it is missing, run \`npm install ${adapter}\``;
    throw new BackendUnavailableError(`${adapter} could not be loaded (${reason}); ${wayOut}`, { cause });
  };
}

export type BackendName = keyof typeof rows;

export const backendNames: readonly BackendName[] = Object.keys(rows) as BackendName[];

/** A backend by its name. Throws BackendUnavailableError where its adapter is missing. */
export function backendNamed(name: BackendName, options: BackendOptions = {}): Promise<Backend> {
  return rows[name].create(options);
}

/** The command that installs what this backend needs; empty where it needs nothing. */
export function installCommand(name: BackendName): Promise<string> {
  return rows[name].install();
}

export interface ChosenBackend {
  readonly backend: Backend;
  readonly description: BackendDescription;
}

/** A backend, the name of one, or the path of a module that exports one: `./mine.ts`. */
export type BackendSource = Backend | string;

/**
 * The backend that is meant: itself, by its name, by a module's path, or with `auto` the best that is available. Throws
 * OptionError for an unknown name or a module without a backend, and what `describe` throws if the runtime is missing.
 */
export async function chooseBackend(source: BackendSource, options: BackendOptions = {}): Promise<ChosenBackend> {
  if (source === "auto") return bestAvailable(options);
  const backend = await resolveBackend(source, options);
  return { backend, description: await backend.describe() };
}

async function resolveBackend(source: BackendSource, options: BackendOptions): Promise<Backend> {
  if (typeof source !== "string") return source;
  if (isModulePath(source)) return backendInModule(source, options);
  return backendNamed(checkName(source, ["auto", ...backendNames]) as BackendName, options);
}

/** A path has a separator, or a script's ending. */
function isModulePath(name: string): boolean {
  return /[\\/]|\.[cm]?[jt]s$/.test(name);
}

async function backendInModule(path: string, options: BackendOptions): Promise<Backend> {
  const { backendFromFile } = await import("./backend-file.ts"); // it needs Node, and the rest of this file does not
  return backendFromFile(path, options);
}

/** Throws OptionError for what is neither one of the names nor the path of a module that exports a backend. */
export async function checkBackend(name: string, names: readonly string[] = backendNames): Promise<void> {
  if (isModulePath(name)) await backendInModule(name, {});
  else checkName(name, names);
}

function checkName(name: string, names: readonly string[]): string {
  if (names.includes(name)) return name;
  throw new OptionError(unknownName(name, names, "backend"));
}

async function bestAvailable(options: BackendOptions): Promise<ChosenBackend> {
  // A browser's onnx is WebAssembly on the CPU; Node's is native code.
  const names: readonly BackendName[] = isNode ? backendNames : ["webgpu", ...backendNames];
  for (const name of names) {
    // not where options are wrong
    const backend = await backendNamed(name, options).catch(unless(BackendUnavailableError));
    const description = await backend?.describe().catch(unless(ResidualError));
    if (backend && description) return { backend, description };
  }
  throw new TypeError("the reference is always available");
}

/** Passes over errors of one class; any other error is a mistake that must not be hidden. */
function unless(kind: abstract new (message: string) => ResidualError): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof kind)) throw error;
  };
}
