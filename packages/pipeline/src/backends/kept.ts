import { fnv1a32, version } from "@residual/core";
import { isObject } from "../kind-of.ts";
import type { Platform } from "../platform/platform.ts";

/** A finding about this machine, stored across processes. A failing cache counts as empty. */
export interface Kept {
  read(): Promise<{ readonly [name: string]: unknown } | undefined>;
  write(found: { readonly [name: string]: unknown }): Promise<void>;
}

/**
 * The storage of a finding that depends on `facts`, on Residual's version and on the processors; undefined without
 * persistent storage.
 */
export async function keptOn(platform: Platform, kind: string, facts: string): Promise<Kept | undefined> {
  const cache = await platform.cache();
  if (!cache) return undefined;
  const identity = `${facts}, Residual ${version}, ${await platform.processors()}`;
  const key = `${kind}-${fnv1a32(identity).toString(16).padStart(8, "0")}`;
  return {
    async read() {
      const text = await cache.read(key).catch(() => undefined);
      return text === undefined ? undefined : parsed(text, identity);
    },
    write: (found) => cache.write(key, JSON.stringify({ identity, ...found })).catch(() => {}),
  };
}

/** The text that `write` stored for the same facts; two sets of facts may share a key. */
function parsed(text: string, identity: string): { readonly [name: string]: unknown } | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return isObject(found) && found.identity === identity ? found : undefined;
  } catch {
    return undefined;
  }
}
