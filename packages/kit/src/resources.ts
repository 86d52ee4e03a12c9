export { type GpuMemory, watchGpuMemory } from "./gpu-memory.ts";

/** What a process holds; undefined where it cannot be told. */
export interface Resources {
  /** Memory of the whole process, native too. */
  readonly resident: number | undefined;
  /** What of it JavaScript still reaches: objects, and the buffers that they own. */
  readonly reachable: number | undefined;
  readonly threads: number | undefined;
  /** Open files, sockets and pipes. */
  readonly files: number | undefined;
  /** Of the event loop: timers, workers, ports. */
  readonly handles: number | undefined;
}

/**
 * In Node, Deno and Bun, exactly, where there is a /proc, and without garbage. Of browsers only Chromium tells of its
 * heap, and without garbage only where it was started with --js-flags=--expose-gc and --enable-precise-memory-info.
 */
export async function resources(): Promise<Resources> {
  if (typeof process === "undefined" || process.versions?.node === undefined) return ofBrowser();
  collect ??= await collector();
  collect();
  const { readdir } = await import("node:fs/promises");
  const entries = async (path: string) => (await readdir(path).catch(() => undefined))?.length;
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    resident: rss,
    reachable: heapUsed + external,
    threads: await entries("/proc/self/task"),
    files: await entries("/proc/self/fd"),
    handles: process.getActiveResourcesInfo().length,
  };
}

function ofBrowser(): Resources {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  const { memory } = performance as { memory?: { usedJSHeapSize: number } };
  const reachable = gc && memory?.usedJSHeapSize;
  return { resident: undefined, reachable, threads: undefined, files: undefined, handles: undefined };
}

let collect: (() => void) | undefined;

/** The runtime's own garbage collection: garbage of earlier work, let go in the middle, would hide a leak. */
async function collector(): Promise<() => void> {
  const { Bun } = globalThis as { readonly Bun?: { gc(waits: boolean): void } };
  if (Bun) return () => Bun.gc(true);
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([import("node:v8"), import("node:vm")]);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
