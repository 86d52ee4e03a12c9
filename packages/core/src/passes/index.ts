import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { fuseEpilogues } from "./fuse-epilogues.ts";
import { pruneAliases } from "./prune-aliases.ts";
import type { Pass } from "./rewrite.ts";

/** In this order: norms fold into bare convolutions, so before epilogues are fused; names are cleared up last. */
const passes: readonly Pass[] = [foldConstants, foldBatchNorm, fuseEpilogues, pruneAliases];

/** A leaner graph with the same answers. Any graph will do; one whose parameters are open keeps its norms. */
export const optimize: Pass = (graph) => passes.reduce((lean, pass) => pass(lean), graph);
