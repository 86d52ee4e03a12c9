/** onnxruntime-web in a worker, since its run() on the CPU blocks its thread. */
import { webAssemblyRefusal } from "@residual/kit/web-assembly";
import type { Env } from "onnxruntime-web";
import { type OnnxRuntime, StatefulSession } from "../inference.ts";
import type { ToThread } from "../protocol.ts";
import { serveJobs } from "../serve-jobs.ts";
import type { FromWebThread, ThreadSetup } from "./protocol.ts";

/** The part of a worker's global scope that Residual uses; the package is checked without the DOM's types. */
interface WorkerScope {
  readonly name: string;
  onmessage: (event: { readonly data: unknown }) => void;
  postMessage(message: FromWebThread, transfer: readonly ArrayBuffer[]): void;
}
declare const self: WorkerScope;
declare class MessageChannel {
  readonly port1: { onmessage: () => void };
  readonly port2: { postMessage(message: undefined): void };
}

/** The first message is the setup, all others are jobs. */
export function serve(runtime: OnnxRuntime & { readonly env: Env }): void {
  // A bundler may have merged onnxruntime-web's code into this file, which onnxruntime-web then also starts as its
  // threads. Emscripten tells them by this name.
  if (self.name.startsWith("em-pthread")) return;
  self.onmessage = ({ data }) => {
    const receive = serveJobs(load(runtime, data as ThreadSetup), {
      reply: (message, transfer) => self.postMessage(message, transfer),
      nextTurn,
      enter: (work) => work(),
      isTransferable: () => true,
    });
    self.onmessage = ({ data }) => receive(data as ToThread);
  };
  self.postMessage({ kind: "ready", version: runtime.env.versions.web ?? "unknown" }, []);
}

/**
 * Compiles the WebAssembly and opens the device, both by creating a first session. The settings affect only this
 * worker.
 */
async function load(
  runtime: OnnxRuntime & { readonly env: Env },
  { options, threads, wasmPaths, warmUp }: ThreadSetup,
): Promise<OnnxRuntime> {
  const refusal = await webAssemblyRefusal();
  if (refusal !== undefined) throw new Error(refusal);
  const { env } = runtime;
  env.logLevel = "fatal"; // errors are thrown; a library must not write to the console
  if (threads !== undefined) env.wasm.numThreads = threads;
  if (wasmPaths !== undefined) env.wasm.wasmPaths = wasmPaths;
  await (await StatefulSession.create(runtime, { model: warmUp }, options)).release();
  return runtime;
}

const { port1: here, port2: there } = new MessageChannel();

/** A timer would take 4 ms. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    here.onmessage = () => resolve();
    there.postMessage(undefined);
  });
}
