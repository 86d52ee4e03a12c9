import { type BackendDescription, formatShape, type Graph, summarize } from "@residual/core";
import type { Platform } from "../platform/platform.ts";
import { keptOn } from "./kept.ts";
import type { BackendOptions } from "./options.ts";
import type { Candidate } from "./quicker.ts";
import type { Ranked } from "./rank.ts";

/** The fastest backend as measured; its rival is not timed again. */
export interface Measured extends Ranked {
  /** The runtime that was measured, as text of `runtimeOf`. */
  readonly runtime: string;
}

/** The measurement for a network on this machine, stored across processes. */
export interface KeptChoice {
  /** The stored one of these backends; undefined if none is. */
  among(order: readonly Ranked[]): Promise<Measured | undefined>;
  keep(found: Candidate): Promise<void>;
}

/** The stored choice for a network; undefined without persistent storage. */
export async function keptChoice(
  platform: Platform,
  graph: Graph,
  { threads = 0 }: BackendOptions,
): Promise<KeptChoice | undefined> {
  const { macs, input } = summarize(graph);
  const network = `${graph.name} ${formatShape(input)}, ${macs} multiply-adds, ${threads} threads`;
  const kept = await keptOn(platform, "backend", network);
  if (!kept) return undefined;
  return {
    async among(order) {
      const { name: known, because, runtime } = (await kept.read()) ?? {};
      const ranked = order.find(({ name }) => name === known);
      if (!ranked || typeof because !== "string" || typeof runtime !== "string") return undefined;
      const { rival: _, ...rest } = ranked;
      return { ...rest, because, runtime };
    },
    keep: ({ name, because, description }) => kept.write({ name, because, runtime: runtimeOf(description) }),
  };
}

/** The text of a runtime, its version and its adapter. */
export function runtimeOf({ library, version, device, driver = "" }: BackendDescription): string {
  return [library, version, device, driver].join(", ");
}
