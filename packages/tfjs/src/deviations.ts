import type { Deviation } from "@residual/core";
import type { EngineName } from "./engines.ts";

const special = "ops/special values";

/** The same of a NaN in each place of a 3 × 3 window. */
function maxPools(because: string): readonly Deviation[] {
  return [0, 1, 2, 3, 4, 5, 6, 7, 8].map((place) => ({
    case: `${special}/maxPool2d: NaN in place ${place} of a window is its answer`,
    because,
  }));
}

const clamped = "XNNPACK clamps what it answers to [-infinity, infinity], and a NaN becomes -infinity on the way";

const known: { readonly [Name in EngineName]?: readonly Deviation[] } = {
  cpu: maxPools("tfjs's MaxPool keeps a number until a larger one comes, and no NaN is larger"),
  wasm: [
    ...maxPools("XNNPACK's MaxPool takes the larger of two numbers by a comparison, which no NaN wins"),
    { case: `${special}/conv2d: 0 times infinity is NaN`, because: clamped },
    { case: `${special}/fusedConv2d: relu keeps NaN`, because: clamped },
    { case: `${special}/averagePool2d: NaN in its window alone`, because: clamped },
  ],
};

/** Where an engine of tfjs 4.22 answers otherwise than PyTorch. None of it comes up with finite weights and images. */
export function deviationsOf(engine: EngineName): readonly Deviation[] {
  return known[engine] ?? [];
}
