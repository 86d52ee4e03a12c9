import { BackendUnavailableError, UnsupportedError } from "@residual/core";
import { type AdapterInfo, adapterDriver, adapterName } from "@residual/kit/gpu";
import { deviationsOf } from "../../deviations.ts";
import { lowerToOnnx } from "../../lower.ts";
import type { OnnxDevice, OnnxOptions } from "../../options.ts";
import type { Runtime } from "../../session.ts";
import { deviceExtra, dialectOf, foldedAlready } from "../dialect.ts";
import type { SessionOptions } from "../inference.ts";
import { loadSession } from "../load-session.ts";
import { inMemory, smallestModel } from "../model-source.ts";
import { SharedThread } from "../shared-thread.ts";
import { startThread, type WebDevice } from "./thread.ts";

/** The part of a page's global scope that Residual uses; the package is checked without the DOM's types. */
interface PageScope {
  readonly crossOriginIsolated?: boolean;
  readonly navigator: {
    readonly hardwareConcurrency: number;
    readonly gpu?: { requestAdapter(): Promise<{ readonly info: AdapterInfo } | null> };
  };
}

const page: PageScope = globalThis;

/** Starting a worker takes up to a second, and the worker keeps the kernels that WebGPU compiled. */
const IDLE_MILLISECONDS = 10_000;

/**
 * onnxruntime-web. Throws UnsupportedError if `threads` is out of range, or above 1 on a page that may have only one.
 */
export function webRuntime({ device = "cpu", threads, wasmPaths, worker }: OnnxOptions = {}): Runtime {
  checkThreads(threads);
  if (worker === false) {
    throw new UnsupportedError(
      "onnx: { worker: false } is for Node: in a page, runs of onnxruntime-web would block the page",
    );
  }
  const shared = new SharedThread(IDLE_MILLISECONDS);
  const options = sessionOptions(device);
  let version: Promise<string> | undefined;
  const open = () =>
    shared.open(() => {
      const thread = startThread({
        device: checkDevice(device),
        threads,
        wasmPaths,
        worker,
        options,
        warmUp: smallestModel(),
      });
      version = thread.version;
      return thread;
    }, options);
  return {
    async describe() {
      const session = await loadSession(await open(), (each) => each.load({ model: smallestModel() }, undefined));
      await session.close();
      const adapter = device === "webgpu" ? await adapterInfo() : undefined;
      const [found, driver] = adapter ? [adapterName(adapter), adapterDriver(adapter)] : ["cpu"];
      return {
        library: "onnxruntime-web",
        version: await version!,
        device: found,
        ...(driver !== undefined && { driver }),
        deviations: deviationsOf(device, found),
      };
    },
    load: async (graph, work) =>
      loadSession(await open(), async (each) =>
        each.load(await inMemory(lowerToOnnx(graph, dialectOf(device))), work.signal),
      ),
  };
}

function sessionOptions(device: OnnxDevice): SessionOptions {
  return {
    executionProviders: [device === "cpu" ? "wasm" : device],
    graphOptimizationLevel: "all",
    logSeverityLevel: 4, // fatal: errors are thrown; a library must not write to the console
    extra: deviceExtra(device, foldedAlready),
  };
}

function checkDevice(device: OnnxDevice): WebDevice {
  if (device === "cpu" || device === "webgpu") return device;
  throw new BackendUnavailableError(
    `onnx: the device "${device}" cannot be opened in a browser, which has "cpu" and "webgpu"; Node has the others`,
  );
}

/** Refuses thread counts that onnxruntime-web would silently reduce to one. */
function checkThreads(threads: number | undefined): void {
  if (threads === undefined) return;
  const most = 4 * page.navigator.hardwareConcurrency;
  if (!(Number.isSafeInteger(threads) && threads >= 1 && threads <= most)) {
    const range = `a whole number from 1 to ${most}, four times this machine's cores`;
    throw new UnsupportedError(`onnx: threads is ${threads}, expected ${range}`);
  }
  if (threads === 1 || page.crossOriginIsolated) return;
  throw new UnsupportedError(
    `onnx: threads is ${threads}, and a page without cross-origin isolation may have one; serve it with the headers ` +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
  );
}

/** The adapter that onnxruntime-web will choose, too. */
async function adapterInfo(): Promise<AdapterInfo | undefined> {
  return (await page.navigator.gpu?.requestAdapter())?.info;
}
