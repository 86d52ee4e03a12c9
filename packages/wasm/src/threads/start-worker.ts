import type { FromThread, ToThread } from "./protocol.ts";
import { workerThreads } from "./worker-threads.ts";

/** The events of a worker. */
export interface Listener {
  message(message: FromThread): void;
  /** Called once if the worker ends unexpectedly, with the platform's message if there is one. */
  lost(message: string | undefined): void;
}

/** A worker of the platform. */
export interface PlatformWorker {
  post(message: ToThread, transfer: readonly ArrayBuffer[]): void;
  /** Whether the process waits for the worker. In Node, Deno and Bun. */
  setBusy(isBusy: boolean): void;
  end(): Promise<void>;
}

/** The part of a web worker that Residual uses; the package is checked without the DOM's types. */
interface WebWorker {
  onmessage: (event: { readonly data: FromThread }) => void;
  onerror: (event: { readonly message?: string; preventDefault(): void }) => void;
  postMessage(message: ToThread, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
}
declare const Worker: new (url: string | URL, options: { readonly type: "module"; readonly name: string }) => WebWorker;

const NAME = "residual-wasm";

/** Starts a worker. The default for the location of its code is next to this file. Throws the platform's error. */
export function startWorker(code: string | undefined, listener: Listener): PlatformWorker {
  const node = workerThreads();
  return node ? startInNode(node, code, listener) : startInBrowser(code, listener);
}

function startInNode(
  { Worker: NodeWorker }: typeof import("node:worker_threads"),
  code: string | undefined,
  listener: Listener,
): PlatformWorker {
  // Without the flags of this thread, which may name loaders and conditions that the worker does not need.
  const worker = new NodeWorker(urlInNode(code), { execArgv: [], name: NAME });
  let isEnding = false;
  let said: string | undefined;
  worker.on("message", (message: FromThread) => listener.message(message));
  worker.on("error", (error) => {
    said = error instanceof Error ? error.message : String(error);
  });
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  void ended.then(() => isEnding || listener.lost(said));
  worker.unref();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    setBusy(isBusy) {
      if (isEnding) return; // the process waits for it
      if (isBusy) worker.ref();
      else worker.unref();
    },
    async end() {
      isEnding = true;
      worker.ref();
      await worker.terminate();
      await ended;
    },
  };
}

/** Throws if the file does not exist, as in a bundle that holds this package without its worker. */
function urlInNode(code: string | undefined): URL {
  const { url } = import.meta as { readonly url?: string }; // undefined in a bundle to CommonJS
  const name = `wasm-worker.${url?.endsWith(".ts") ? "ts" : "js"}`; // Node strips types itself
  if (code === undefined && url === undefined) throw new Error(`${name} cannot be found`);
  const { pathToFileURL, fileURLToPath } = process.getBuiltinModule("node:url");
  const found =
    code === undefined ? new URL(name, url) : /^(file|data):/.test(code) ? new URL(code) : pathToFileURL(code);
  if (found.protocol === "file:" && !process.getBuiltinModule("node:fs").existsSync(found))
    throw new Error(`${fileURLToPath(found)} is missing`);
  return found;
}

function startInBrowser(code: string | undefined, listener: Listener): PlatformWorker {
  const worker = webWorker(code);
  worker.onmessage = ({ data }) => listener.message(data);
  worker.onerror = (event) => {
    event.preventDefault(); // a library must not write to the console
    worker.terminate();
    listener.lost(event.message);
  };
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    setBusy() {},
    async end() {
      worker.terminate();
    },
  };
}

/** Bundlers recognize workers by exactly this expression. */
function webWorker(code: string | undefined): WebWorker {
  const { url } = import.meta;
  if (code !== undefined) return new Worker(code, { type: "module", name: NAME });
  if (/\.ts(\?|$)/.test(url)) {
    // In the repository; no bundler should look for it.
    return new Worker(url.replace(/[^/]*$/, "wasm-worker.ts"), { type: "module", name: NAME });
  }
  return new Worker(new URL("./wasm-worker.js", import.meta.url), { type: "module", name: NAME });
}
