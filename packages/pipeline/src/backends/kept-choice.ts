import { fnv1a32, formatShape, type Graph, summarize, version } from "@residual/core";
import type { Platform } from "../platform/platform.ts";
import type { BackendOptions } from "./options.ts";
import type { Ranked } from "./rank.ts";
import { type BackendName, isBackendName } from "./table.ts";

/** What was measured for a network on this machine, kept from process to process. */
export interface KeptChoice {
  /** The order, the kept backend before all others, which needs no rival any more. */
  first(order: readonly Ranked[]): readonly Ranked[];
  keep(name: BackendName, because: string): Promise<void>;
}

/** The choice kept for a network; undefined where nothing outlives the process. A cache that fails holds nothing. */
export async function keptChoice(
  platform: Platform,
  graph: Graph,
  { threads = 0 }: BackendOptions,
): Promise<KeptChoice | undefined> {
  const cache = await platform.cache();
  if (!cache) return undefined;
  const { macs, input } = summarize(graph);
  const network = `${graph.name} ${formatShape(input)}, ${macs} multiply-adds, ${threads} threads`;
  const identity = `${network}, Residual ${version}, ${await platform.processors()}`;
  const key = `backend-${fnv1a32(identity).toString(16).padStart(8, "0")}`;
  const text = await cache.read(key).catch(() => undefined);
  const known = text === undefined ? undefined : parsed(text, identity);
  return {
    first(order) {
      const rank = order.find(({ name }) => name === known?.name);
      if (!known || !rank) return order;
      const { name, onHardware } = rank;
      const first = { name, ...(onHardware && { onHardware }), because: known.because };
      return [first, ...order.filter((each) => each !== rank)];
    },
    keep: (name, because) => cache.write(key, JSON.stringify({ identity, name, because })).catch(() => {}),
  };
}

/** What `keep` wrote for the same network and machine; two of them may have the same key. */
function parsed(text: string, identity: string): { readonly name: BackendName; readonly because: string } | undefined {
  try {
    const { name, because, ...rest } = JSON.parse(text) as { readonly [key: string]: unknown };
    const fits = rest.identity === identity && typeof name === "string" && isBackendName(name);
    return fits && typeof because === "string" ? { name, because } : undefined;
  } catch {
    return undefined;
  }
}
