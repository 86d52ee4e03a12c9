/** What a process holds; 0 for what cannot be told here. */
export interface Resources {
  /** Memory of the whole process, native too. */
  readonly resident: number;
  /** What of it JavaScript still reaches: objects, and the buffers that they own. */
  readonly reachable: number;
  readonly threads: number;
  /** Open files, sockets and pipes. */
  readonly files: number;
  /** Of the event loop: timers, workers, ports. */
  readonly handles: number;
}

/** In Node, exactly, where there is a /proc, and without garbage; in browsers what they tell of their heap. */
export async function resources(): Promise<Resources> {
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    const { memory } = performance as { memory?: { usedJSHeapSize: number } };
    return { resident: 0, reachable: memory?.usedJSHeapSize ?? 0, threads: 0, files: 0, handles: 0 };
  }
  collect ??= await collector();
  collect();
  const { readdir } = await import("node:fs/promises");
  const entries = async (path: string) => (await readdir(path).catch(() => [])).length;
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    resident: rss,
    reachable: heapUsed + external,
    threads: await entries("/proc/self/task"),
    files: await entries("/proc/self/fd"),
    handles: process.getActiveResourcesInfo().length,
  };
}

let collect: (() => void) | undefined;

/** Node's own garbage collection: garbage of earlier work, let go in the middle, would hide a leak. */
async function collector(): Promise<() => void> {
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([import("node:v8"), import("node:vm")]);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
