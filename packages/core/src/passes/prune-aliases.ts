import { valuesOf } from "../ir/graph.ts";
import type { Pass } from "./rewrite.ts";

/** Removes aliases of values that other passes have removed, so that `select` finds every name the graph lists. */
export const pruneAliases: Pass = (graph) => {
  const alive = new Set(valuesOf(graph).map(({ name }) => name));
  const aliases = Object.entries(graph.aliases);
  const kept = aliases.filter(([, name]) => alive.has(name));
  return kept.length === aliases.length ? graph : { ...graph, aliases: Object.fromEntries(kept) };
};
