import type { FromThread, ToThread } from "./protocol.ts";
import { workerThreads } from "./worker-threads.ts";

/** What a worker tells of itself. */
export interface Listener {
  message(message: FromThread): void;
  /** Once, where it ends by itself. The message is what the platform says, if it says something. */
  lost(message: string | undefined): void;
}

/** A worker of the platform. */
export interface PlatformWorker {
  post(message: ToThread, transfer: readonly ArrayBuffer[]): void;
  /** Whether the process waits for it. Of Node, Deno and Bun. */
  setBusy(isBusy: boolean): void;
  end(): Promise<void>;
}

/** The part of a web worker that is used here: the package is checked without the DOM. */
interface WebWorker {
  onmessage: (event: { readonly data: FromThread }) => void;
  onerror: (event: { readonly message?: string; preventDefault(): void }) => void;
  postMessage(message: ToThread, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
}
declare const Worker: new (url: string | URL, options: { readonly type: "module"; readonly name: string }) => WebWorker;

const NAME = "residual-wasm";

/** Starts a worker. Its code lies at a URL or path, beside this file where not given. Throws the platform's error. */
export function startWorker(code: string | undefined, listener: Listener): PlatformWorker {
  const node = workerThreads();
  return node ? startInNode(node, code, listener) : startInBrowser(code, listener);
}

function startInNode(
  { Worker: NodeWorker }: typeof import("node:worker_threads"),
  code: string | undefined,
  listener: Listener,
): PlatformWorker {
  // Its own flags: those of this thread may name loaders and conditions that the worker does not need.
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
      if (isEnding) return; // the process waits for that
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

/** Throws where there is no such file, as in a bundle that holds this package and not its worker. */
function urlInNode(code: string | undefined): URL {
  const { url } = import.meta as { readonly url?: string }; // a bundle to CommonJS has none
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
    event.preventDefault(); // the console is not ours to write to
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

/** Bundlers know workers by these very words. */
function webWorker(code: string | undefined): WebWorker {
  const { url } = import.meta;
  if (code !== undefined) return new Worker(code, { type: "module", name: NAME });
  if (/\.ts(\?|$)/.test(url)) {
    // As it stands in the repository; no bundler is to look for it.
    return new Worker(url.replace(/[^/]*$/, "wasm-worker.ts"), { type: "module", name: NAME });
  }
  return new Worker(new URL("./wasm-worker.js", import.meta.url), { type: "module", name: NAME });
}
