/** The invocations that compute a tile or a strip together. */
export interface Lanes {
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** A workgroup is one subgroup, unless this is true: then every lane loads all weights. */
  readonly withoutSubgroups?: boolean;
}

/** WGSL for the weights of a step, each a vec4 that all lanes need. A lane loads `w0`, `w1`, …. */
interface StepWeights {
  /** Number of loads per lane. */
  readonly loads: number;
  readonly broadcasts: number;
  /** Index of the lane's first weight in the step. */
  readonly first: string;
  /** Distance between consecutive weights of a lane. */
  readonly apart: number;
  readonly weight: (i: number) => string;
  /** Suffix of the kernel's name. */
  readonly name: string;
}

/**
 * In a subgroup each lane loads its part of the weights, and broadcasts it. Without subgroups each lane loads all
 * weights: 39 loads for a 32 × 7 tile instead of 11. On lavapipe a run then takes 1.2 to 1.5 times as long. Weights in
 * the workgroup's memory take three times as long (docs/decisions/2026-11-30-webgpu-without-subgroups.md).
 */
export function stepWeights(count: number, { lanes, withoutSubgroups }: Lanes): StepWeights {
  if (withoutSubgroups) {
    const weight = (i: number) => `w${i}`;
    return { loads: count, broadcasts: 0, first: "0u", apart: 1, weight, name: ", without subgroups" };
  }
  const weight = (i: number) => `subgroupBroadcast(w${Math.floor(i / lanes)}, ${i % lanes}u)`;
  return { loads: Math.ceil(count / lanes), broadcasts: count, first: "lane", apart: lanes, weight, name: "" };
}
