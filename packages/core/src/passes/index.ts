import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { fuseEpilogues } from "./fuse-epilogues.ts";
import { pruneAliases } from "./prune-aliases.ts";
import type { Pass } from "./rewrite.ts";

/** In this order: norms fold into plain convolutions, so before epilogues are fused; aliases are pruned last. */
const passes: readonly Pass[] = [foldConstants, foldBatchNorm, fuseEpilogues, pruneAliases];

/** A graph with fewer nodes and the same outputs. Takes any graph; norms with open parameters stay. */
export const optimize: Pass = (graph) => passes.reduce((lean, pass) => pass(lean), graph);
