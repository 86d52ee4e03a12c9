import { type Backend, type BackendDescription, ResidualError, reference } from "@residual/core";
import { onnx } from "@residual/onnx";
import { type EngineName, installOf, tfjs } from "@residual/tfjs";
import { webgpu } from "@residual/webgpu";
import { fileCache } from "./file-cache.ts";
import { oneOf } from "./names.ts";

export interface BackendOptions {
  readonly threads?: number | undefined;
}

interface Entry {
  create(options: BackendOptions): Backend;
  /** The command that makes it available where it is not; empty where it always is. */
  readonly install: string;
}

/** Best first: the order in which `auto` tries them and `doctor` lists them. */
const entries = {
  onnx: {
    create: ({ threads }) => onnx(threads === undefined ? {} : { threads }),
    install: "npm install onnxruntime-node --onnxruntime-node-install=skip",
  },
  webgpu: { create: () => webgpu({ cache: fileCache() }), install: "npm install webgpu" },
  tfjs: { create: () => tfjs(), install: `npm install ${installOf("wasm")}` },
  "tfjs-node-gpu": onEngine("node-gpu"),
  "tfjs-node": onEngine("node"),
  "tfjs-wasm": onEngine("wasm"),
  "tfjs-webgpu": onEngine("webgpu"),
  "tfjs-webgl": onEngine("webgl"),
  "tfjs-cpu": onEngine("cpu"),
  reference: { create: () => reference, install: "" },
} as const satisfies { readonly [name: string]: Entry };

function onEngine(engine: EngineName): Entry {
  return { create: () => tfjs({ engine }), install: `npm install ${installOf(engine)}` };
}

export type BackendName = keyof typeof entries;

export const backendNames: readonly BackendName[] = Object.keys(entries) as BackendName[];

/** A backend by its name. Throws UsageError for a name that there is none of. */
export function backendNamed(name: string, options: BackendOptions = {}): Backend {
  if (name === "auto") throw new TypeError("auto is no backend; chooseBackend picks one");
  return entries[oneOf(name, ["auto", ...backendNames], "backend") as BackendName].create(options);
}

export interface ChosenBackend {
  readonly backend: Backend;
  readonly description: BackendDescription;
}

/** A backend, the name of one, or the path of a module that exports one: `./mine.ts`. */
export type BackendSource = Backend | string;

/**
 * The backend that is meant: itself, by its name, by a module's path, or with `auto` the best that is available. Throws UsageError
 * for an unknown name or a module without a backend, and what `describe` throws if the runtime is missing.
 */
export async function chooseBackend(source: BackendSource, options: BackendOptions = {}): Promise<ChosenBackend> {
  if (source !== "auto") {
    const backend = await resolveBackend(source, options);
    return { backend, description: await backend.describe() };
  }
  for (const each of backendNames) {
    const backend = backendNamed(each, options);
    const description = await backend.describe().catch(ifTyped);
    if (description) return { backend, description };
  }
  throw new TypeError("the reference is always available");
}

async function resolveBackend(source: BackendSource, options: BackendOptions): Promise<Backend> {
  if (typeof source !== "string") return source;
  return isModulePath(source) ? backendInModule(source, options) : backendNamed(source, options);
}

/** A path has a separator, or a script's ending. */
function isModulePath(name: string): boolean {
  return /[\\/]|\.[cm]?[jt]s$/.test(name);
}

async function backendInModule(path: string, options: BackendOptions): Promise<Backend> {
  const { backendFromFile } = await import("./backend-file.ts"); // it needs Node, and the rest of this file does not
  return backendFromFile(path, options);
}

/** Throws UsageError for what is neither one of the names nor the path of a module that exports a backend. */
export async function checkBackend(name: string, names: readonly string[] = backendNames): Promise<void> {
  if (isModulePath(name)) await backendInModule(name, {});
  else oneOf(name, names, "backend");
}

/** A backend that is missing says so with an error of ours; any other is a mistake that must not be hidden. */
function ifTyped(error: unknown): undefined {
  if (!(error instanceof ResidualError)) throw error;
}

export function installCommand(name: BackendName): string {
  return entries[name].install;
}
