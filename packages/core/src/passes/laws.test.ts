import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Graph, nodesOf } from "../ir/graph.ts";
import { reference } from "../reference.ts";
import { randomGraph, randomImage } from "../testing/random-graph.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { fuseEpilogues } from "./fuse-epilogues.ts";
import { optimize } from "./index.ts";
import { pruneAliases } from "./prune-aliases.ts";
import type { Pass } from "./rewrite.ts";

const passes: { [name: string]: Pass } = { foldBatchNorm, fuseEpilogues, foldConstants, pruneAliases, optimize };

async function answers(graph: Graph): Promise<{ [name: string]: { data: ArrayLike<number> } }> {
  const executable = await reference.compile(graph);
  return executable.run({ image: randomImage(2) });
}

/**
 * Folding changes the order of a handful of float64 operations per node; 14 nodes stay far below 1e-10 of the largest.
 */
function expectSame(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  const largest = Math.max(...Array.from(expected, Math.abs), 1);
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < found.length; i++)
    expect(Math.abs(found[i]! - expected[i]!)).toBeLessThanOrEqual(1e-10 * largest);
}

describe.each(Object.entries(passes))("%s", (_, pass) => {
  it("gives the same answers", async () => {
    await fc.assert(
      fc.asyncProperty(randomGraph, async (graph) => {
        const [before, after] = [await answers(graph), await answers(pass(graph))];
        expect(Object.keys(after)).toEqual(Object.keys(before));
        for (const name of Object.keys(before)) expectSame(after[name]!.data, before[name]!.data);
      }),
      { numRuns: 150 },
    );
  });

  it("changes nothing the second time", () => {
    fc.assert(
      fc.property(randomGraph, (graph) => {
        const once = pass(graph);
        expect(pass(once)).toBe(once);
      }),
      { numRuns: 150 },
    );
  });
});

it("random graphs do exercise the passes", () => {
  const graphs = fc.sample(randomGraph, { numRuns: 200, seed: 1 });
  const folded = graphs.filter((graph) => nodesOf(foldBatchNorm(graph)).length < nodesOf(graph).length);
  const fused = graphs.filter((graph) => nodesOf(fuseEpilogues(graph)).some(({ op }) => op === "fusedConv2d"));
  expect(folded.length).toBeGreaterThan(20);
  expect(fused.length).toBeGreaterThan(20);
});
