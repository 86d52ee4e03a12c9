import { describeValue, UnsupportedError } from "@residual/core";
import type { Instructions } from "./encode/function.ts";
import { canShare, checkThreads, cores } from "./platform.ts";

/** The part of a URL that is read, so that one of any realm fits. */
interface UrlLike {
  readonly href: string;
}

export interface WasmOptions {
  /**
   * Whether 3 × 3 convolutions may be computed by Winograd's algorithm: faster, and rounded otherwise. True where not
   * given.
   */
  readonly winograd?: boolean;
  /**
   * Threads that share the work of each run, 1 to 4 per core; any number gives the same bits. Where not given, one per
   * core in Node, Deno, Bun and pages with cross-origin isolation, but for runs of little work, which take one; 1 in
   * other pages.
   */
  readonly threads?: number;
  /**
   * `true` leaves the caller's thread free: all runs are done in workers, with one thread too. `false` starts none, so
   * that `threads` is 1; runs let others have the thread every few milliseconds. A path or URL is `true`, and tells
   * where the worker's code lies, for bundles that have parted it from the rest of this package:
   * `@residual/wasm/worker`.
   */
  readonly worker?: boolean | string | UrlLike;
  /** How products are added, for tests; by the engine's relaxed SIMD where it has that, if not given. */
  readonly instructions?: Instructions;
}

/** Where runs are done, by what was asked for and what the platform has. */
export interface ThreadChoice {
  readonly threads: number;
  readonly mode: "caller" | "shared memory" | "own memory";
  /** Threads of a run of little work: 0 is the caller's, on which all runs are done too where no thread starts. */
  readonly least: number;
  readonly code: string | undefined;
}

/** Throws UnsupportedError for options that make no sense, or that the platform cannot follow. */
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
