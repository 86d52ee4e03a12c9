import { valuesOf } from "../ir/graph.ts";
import type { Pass } from "./rewrite.ts";

/**
 * A graph holds only what its outputs need, so values die by themselves; what stays behind are aliases of values that are
 * gone. Without them, the names that a graph lists are just those that `select` finds.
 */
export const dropDead: Pass = (graph) => {
  const alive = new Set(valuesOf(graph).map(({ name }) => name));
  const aliases = Object.entries(graph.aliases);
  const kept = aliases.filter(([, name]) => alive.has(name));
  return kept.length === aliases.length ? graph : { ...graph, aliases: Object.fromEntries(kept) };
};
