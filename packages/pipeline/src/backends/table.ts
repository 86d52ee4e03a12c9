import { type Backend, BackendUnavailableError, reference } from "@residual/core";
import type { OnnxDevice } from "@residual/onnx";
import type { EngineName } from "@residual/tfjs";
import { OptionError } from "../option-error.ts";
import type { Platform } from "../platform/platform.ts";
import type { BackendOptions } from "./options.ts";

interface Row {
  create(options: BackendOptions, platform: Platform): Promise<Backend>;
  /** The command that installs it; empty if nothing needs installing. */
  install(): Promise<string>;
}

/** Adapters are imported on first use: none is required, and a bundler makes a chunk for each. */
const onnx = () => import("@residual/onnx").catch(unavailable("@residual/onnx"));
const tfjs = () => import("@residual/tfjs").catch(unavailable("@residual/tfjs"));
const webgpu = () => import("@residual/webgpu").catch(unavailable("@residual/webgpu"));

/** In the order in which `doctor` lists them. */
const rows = {
  onnx: onDevice("cpu"),
  webgpu: row(
    async ({ onWarning }, platform) => (await webgpu()).webgpu({ cache: await platform.cache(), onWarning }),
    async () => "npm install webgpu",
  ),
  wasm: row(
    async ({ threads }) => (await import("@residual/wasm")).wasm(threads === undefined ? {} : { threads }),
    async () => "",
  ),
  "onnx-cuda": onDevice("cuda"),
  "onnx-dml": onDevice("dml"),
  "onnx-coreml": onDevice("coreml"),
  "onnx-webgpu": onDevice("webgpu"),
  tfjs: row(async (options) => (await tfjs()).tfjs(at(options.wasmPaths?.tfjs)), installFor("wasm")),
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

/** Typed without the adapters, since declarations must not need packages that a user may lack. */
function row(create: Row["create"], install: Row["install"]): Row {
  return { create, install };
}

function onDevice(device: OnnxDevice): Row {
  return row(
    async ({ threads, wasmPaths }) =>
      (await onnx()).onnx({ device, ...(threads !== undefined && { threads }), ...at(wasmPaths?.onnx) }),
    async () => (await onnx()).installOf(device),
  );
}

function onEngine(engine: EngineName): Row {
  return row(async (options) => (await tfjs()).tfjs({ engine, ...at(options.wasmPaths?.tfjs) }), installFor(engine));
}

function installFor(engine: EngineName): () => Promise<string> {
  return async () => `npm install ${(await tfjs()).installOf(engine)}`;
}

const at = <Paths>(wasmPaths: Paths | undefined) => (wasmPaths === undefined ? {} : { wasmPaths });

function unavailable(adapter: string): (cause: unknown) => never {
  return (cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const wayOut = `if it is missing, run \`npm install ${adapter}\``;
    throw new BackendUnavailableError(`${adapter} could not be loaded (${reason}); ${wayOut}`, { cause });
  };
}

export type BackendName = keyof typeof rows;

export const backendNames: readonly BackendName[] = Object.keys(rows) as BackendName[];

/** Whether the backend runs native code: ending its thread during a run ends the process. */
export function isNative(name: string): boolean {
  return name === "auto" || /^(onnx|webgpu|tfjs-node|tfjs-webgpu)/.test(name);
}

/** A backend by name. Throws BackendUnavailableError if its adapter is missing, OptionError for bad options. */
export async function createBackend(name: BackendName, options: BackendOptions, platform: Platform): Promise<Backend> {
  checkThreads(options);
  return rows[name].create(options, platform);
}

/** Checked before any backend is tried: `auto` must not skip a backend because of a wrong option. */
export function checkThreads({ threads }: BackendOptions): void {
  if (threads === undefined || (Number.isSafeInteger(threads) && threads >= 1)) return;
  throw new OptionError(`\`threads\` is ${String(threads)}, expected a whole number from 1`);
}

/** The command that installs the packages of this backend; empty if there are none. */
export function installCommand(name: BackendName): Promise<string> {
  return rows[name].install();
}
