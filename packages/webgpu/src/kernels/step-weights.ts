/** The invocations that compute a tile or a strip together. */
export interface Lanes {
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** A workgroup is one subgroup, unless this is true: then every lane loads all weights. */
  readonly withoutSubgroups?: boolean;
}

/** The weights of a step of a loop in WGSL, each a vec4 that all lanes need: `w0`, `w1`, … are what a lane loads. */
interface StepWeights {
  /** Loads of a lane. */
  readonly loads: number;
  readonly broadcasts: number;
  /** The lane's first weight, from the first weight of the step. */
  readonly first: string;
  /** From a lane's weight to its next. */
  readonly apart: number;
  readonly weight: (i: number) => string;
  /** Tells a kernel's name from another's. */
  readonly name: string;
}

/**
 * In a subgroup each lane loads its part of the weights, and broadcasts it. Without subgroups each lane loads them all:
 * 39 loads for a 32 × 7 tile instead of 11, which takes a fifth longer on lavapipe. Memory of the workgroup is slower
 * there than loads from a texture.
 */
export function stepWeights(count: number, { lanes, withoutSubgroups }: Lanes): StepWeights {
  if (withoutSubgroups) {
    const weight = (i: number) => `w${i}`;
    return { loads: count, broadcasts: 0, first: "0u", apart: 1, weight, name: ", without subgroups" };
  }
  const weight = (i: number) => `subgroupBroadcast(w${Math.floor(i / lanes)}, ${i % lanes}u)`;
  return { loads: Math.ceil(count / lanes), broadcasts: count, first: "lane", apart: lanes, weight, name: "" };
}
