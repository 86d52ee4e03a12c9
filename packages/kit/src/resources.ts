export { type GpuMemory, watchGpuMemory } from "./gpu-memory.ts";

/** The resources that a process holds. A field is undefined if the platform does not report it. */
export interface Resources {
  /** Bytes of the whole process, including native memory. */
  readonly resident: number | undefined;
  /** Bytes that JavaScript can reach: objects, and the buffers that they own. */
  readonly reachable: number | undefined;
  readonly threads: number | undefined;
  /** Open files, sockets and pipes. */
  readonly files: number | undefined;
  /** Active handles of the event loop: timers, workers, ports. */
  readonly handles: number | undefined;
}

/**
 * Collects garbage, then reads the process's resources. Node, Deno and Bun report exact numbers; threads and files need
 * /proc. Among browsers only Chromium reports `reachable`, and only if it was started with --js-flags=--expose-gc and
 * --enable-precise-memory-info.
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

/** The runtime's garbage collection. Without it, memory freed between two readings could hide a leak. */
async function collector(): Promise<() => void> {
  const { Bun } = globalThis as { readonly Bun?: { gc(waits: boolean): void } };
  if (Bun) return () => Bun.gc(true);
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([import("node:v8"), import("node:vm")]);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
