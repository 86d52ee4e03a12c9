/** What a process holds; 0 for what cannot be told here. */
export interface Resources {
  /** Of memory, native and not. */
  readonly bytes: number;
  readonly threads: number;
  /** Open files, sockets and pipes. */
  readonly files: number;
  /** Of the event loop: timers, workers, ports. */
  readonly handles: number;
}

/** In Node, exactly, where there is a /proc; in browsers what they tell of their heap. */
export async function resources(): Promise<Resources> {
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    const { memory } = performance as { memory?: { usedJSHeapSize: number } };
    return { bytes: memory?.usedJSHeapSize ?? 0, threads: 0, files: 0, handles: 0 };
  }
  const { readdir } = await import("node:fs/promises");
  const entries = async (path: string) => (await readdir(path).catch(() => [])).length;
  return {
    bytes: process.memoryUsage.rss(),
    threads: await entries("/proc/self/task"),
    files: await entries("/proc/self/fd"),
    handles: process.getActiveResourcesInfo().length,
  };
}
