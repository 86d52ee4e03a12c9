import type { WebgpuCache } from "./cache.ts";

/** The part of a page's CacheStorage that is used here. Declared here, since the package is checked without the DOM. */
interface Storage {
  open(name: string): Promise<{
    match(url: string): Promise<{ text(): Promise<string> } | undefined>;
    put(url: string, response: Response): Promise<void>;
  }>;
}

/** CacheStorage stores responses by URL. No host has this name (RFC 6761), and no request is sent. */
const URL_OF_KEYS = "https://residual.invalid/";

/**
 * A cache in the browser for findings about adapters, shared by the pages and workers of an origin. It uses
 * CacheStorage, which workers have too. If storage is forbidden or full, nothing is stored, and no error is thrown.
 * Undefined without CacheStorage, as in Node.
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
          // storage is forbidden or full
        }
      },
    }
  );
}

/** The page's CacheStorage. In a sandboxed frame even its getter throws. */
function storageOfOrigin(): Storage | undefined {
  try {
    return (globalThis as { caches?: Storage }).caches;
  } catch {
    return undefined;
  }
}
