import type { WebgpuCache } from "./cache.ts";

/** The part of a page's CacheStorage that is used here: the package is checked without the DOM. */
interface Storage {
  open(name: string): Promise<{
    match(url: string): Promise<{ text(): Promise<string> } | undefined>;
    put(url: string, response: Response): Promise<void>;
  }>;
}

/** CacheStorage keeps answers by URL. No host has this one (RFC 6761), and none is asked. */
const URL_OF_KEYS = "https://residual.invalid/";

/**
 * Keeps what was found out about adapters in the browser, for the pages and workers of one origin: in CacheStorage,
 * which workers have too. It keeps nothing where storage is forbidden or full, and says nothing of it. Undefined where
 * there is no CacheStorage, as in Node.
 */
export function browserCache(): WebgpuCache | undefined {
  const storage = storageOfOrigin();
  return (
    storage && {
      async read(key) {
        const cache = await storage.open("residual");
        return (await cache.match(URL_OF_KEYS + key))?.text();
      },
      async write(key, text) {
        try {
          const cache = await storage.open("residual");
          await cache.put(URL_OF_KEYS + key, new Response(text));
        } catch {
          // forbidden, or full
        }
      },
    }
  );
}

/** The getter itself throws in a sandboxed frame. */
function storageOfOrigin(): Storage | undefined {
  try {
    return (globalThis as { caches?: Storage }).caches;
  } catch {
    return undefined;
  }
}
