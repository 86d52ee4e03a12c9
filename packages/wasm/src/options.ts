import { describeValue, UnsupportedError } from "@residual/core";
import type { Instructions } from "./encode/function.ts";
import { canShare, checkThreads, cores } from "./platform.ts";

/** The part of a URL that Residual reads; a URL of any realm fits. */
interface UrlLike {
  readonly href: string;
}

export interface WasmOptions {
  /** Whether 3 × 3 convolutions may use Winograd's algorithm: faster, with other rounding errors. Default true */
  readonly winograd?: boolean;
  /**
   * Threads that share the work of each run, 1 to 4 per core; every number gives the same bits. Default: one per core
   * in Node, Deno, Bun and cross-origin isolated pages, but 1 for runs with little work; 1 in other pages.
   */
  readonly threads?: number;
  /**
   * `true` keeps the caller's thread free: all runs execute in workers, even with one thread. `false` starts no worker,
   * so `threads` is 1; runs yield to the event loop every few milliseconds. A path or URL is `true` and locates the
   * worker's code, `@residual/wasm/worker`, for bundles that separate it from this package.
   */
  readonly worker?: boolean | string | UrlLike;
  /**
   * A WebAssembly.Module made ahead by `wasmModule`, for platforms that compile none at run time. Runs execute on the
   * caller's thread, as the module was made: no other option may be given.
   */
  readonly module?: object;
  /** How products are added, for tests. Default: by relaxed SIMD if the engine has it. */
  readonly instructions?: Instructions;
}

/** Where runs execute, from the options and the platform. */
export interface ThreadChoice {
  readonly threads: number;
  readonly mode: "caller" | "shared memory" | "own memory";
  /** Threads of a run with little work. 0 is the caller's thread, where all runs execute if no thread starts. */
  readonly least: number;
  readonly code: string | undefined;
}

/** Throws UnsupportedError for options that are invalid, or that the platform does not support. */
export function chooseThreads({ threads: asked, worker }: WasmOptions): ThreadChoice {
  checkThreads(asked);
  checkWorker(worker);
  if (worker === false && asked !== undefined && asked > 1) {
    throw new UnsupportedError(
      `wasm: { threads: ${asked} } needs workers, and { worker: false } starts none; leave one out`,
    );
  }
  const threads = worker === false ? 1 : (asked ?? (canShare() ? cores() : 1));
  const isInWorker = worker !== undefined && worker !== false;
  const least = asked ?? (isInWorker ? 1 : 0);
  const code = typeof worker === "object" ? worker.href : typeof worker === "string" ? worker : undefined;
  if (threads === 1 && !isInWorker) return { threads, mode: "caller", least, code };
  return { threads, mode: canShare() ? "shared memory" : "own memory", least, code };
}

function checkWorker(worker: WasmOptions["worker"]): void {
  const isUrl = typeof worker === "object" && worker !== null && typeof worker.href === "string";
  if (worker === undefined || typeof worker === "boolean" || typeof worker === "string" || isUrl) return;
  throw new UnsupportedError(
    `wasm: worker is ${describeValue(worker)}, expected true, false, or a path or URL of its code`,
  );
}

export function checkWinograd(winograd: WasmOptions["winograd"]): void {
  if (winograd === undefined || typeof winograd === "boolean") return;
  throw new UnsupportedError(`wasm: winograd is ${describeValue(winograd)}, expected true or false`);
}
