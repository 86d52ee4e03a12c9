import { OptionError } from "../option-error.ts";
import type { Platform, TextCache } from "./platform.ts";

/** Browsers and their workers. */
export const web: Platform = {
  name: "browser",
  cache: async () => webCache(),
  async processors() {
    const { navigator } = globalThis as { navigator?: { userAgent?: string; hardwareConcurrency?: number } };
    return `${navigator?.userAgent ?? "unknown"}, ${navigator?.hardwareConcurrency ?? "unknown"}`;
  },
  async mayHaveGpu() {
    const { navigator } = globalThis as { navigator?: { gpu?: object } };
    return navigator?.gpu !== undefined;
  },
  isWorkerThread: async () => false, // a browser ends its workers' native code safely
  async backendInModule(path) {
    throw new OptionError(
      `backend ${path}: a browser loads no module by a path; import it, and give the backend itself`,
    );
  },
  async inChildProcess() {
    throw new OptionError('`isolation` is "process", which a browser has not; leave it out');
  },
  warn: (message) => console.warn(message),
};

/** The part of the Cache API that Residual uses; pages and workers have it in secure contexts. */
interface CacheStorage {
  open(name: string): Promise<{
    match(url: string): Promise<Response | undefined>;
    put(url: string, response: Response): Promise<void>;
  }>;
}

/** A response for each key, under a host name that no server has. */
function webCache(): TextCache | undefined {
  const { caches } = globalThis as { caches?: CacheStorage };
  if (!caches) return undefined;
  const opened = () => caches.open("residual");
  const urlOf = (key: string) => `https://residual.invalid/${encodeURIComponent(key)}`;
  return {
    read: async (key) => (await (await opened()).match(urlOf(key)))?.text(),
    write: async (key, text) => (await opened()).put(urlOf(key), new Response(text)),
  };
}
