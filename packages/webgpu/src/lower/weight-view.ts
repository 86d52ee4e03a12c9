import { sizeOf } from "@residual/core";
import type { Four } from "./layout.ts";
import type { HostPacking } from "./packing.ts";

/**
 * Where the weights [O, C, KH, KW] of a convolution lie in a tensor in the host's order: the index of the first, and
 * the
 * steps from one to the next. Outputs are counted in groups of `groupOutputs`. Steps may be negative.
 */
export interface WeightSteps {
  readonly first: number;
  readonly groupOutputs: number;
  readonly groupStep: number;
  readonly outputStep: number;
  readonly inputStep: number;
  readonly downStep: number;
  readonly rightStep: number;
}

/** Another order of a tensor's numbers, as the weights of a convolution. */
export interface WeightView {
  /** Unique among the views of the same numbers. */
  readonly name: string;
  readonly steps: WeightSteps;
}

/** The steps of weights in their own order. */
export function ownSteps([o, c, kh, kw]: Four): WeightSteps {
  const taps = kh * kw;
  const steps = { outputStep: c * taps, inputStep: taps, downStep: kw, rightStep: 1 };
  return { first: 0, groupOutputs: o, groupStep: 0, ...steps };
}

/** A tap of weights, and the step to the next: [down, right]. */
interface Taps {
  readonly first: readonly [number, number];
  readonly step: readonly [number, number];
}

/**
 * The weights of a convolution [O, C / groups, KH, KW] with inputs and outputs exchanged: [C, O / groups, …], at some
 * taps.
 */
export function transposedView([o, perGroup, kh, kw]: Four, groups: number, { first, step }: Taps): WeightView {
  const taps = kh * kw;
  return {
    name: `transposed from ${first.join("×")} by ${step.join("×")} in ${groups}`,
    steps: {
      first: first[0] * kw + first[1],
      groupOutputs: perGroup,
      groupStep: (o / groups) * perGroup * taps,
      outputStep: taps,
      inputStep: perGroup * taps,
      downStep: step[0] * kw,
      rightStep: step[1],
    },
  };
}

/** The index of a weight of a view. */
function indexIn(steps: WeightSteps, o: number, c: number, a: number, b: number): number {
  const { first, groupOutputs, groupStep, outputStep, inputStep, downStep, rightStep } = steps;
  const ofOutput = Math.floor(o / groupOutputs) * groupStep + (o % groupOutputs) * outputStep;
  return first + ofOutput + c * inputStep + a * downStep + b * rightStep;
}

/** A packing of a view's numbers, from a whole tensor of `rows` rows. */
export function packingOf(packing: HostPacking, shape: Four, { name, steps }: WeightView, rows: number): HostPacking {
  const [outputs, inputs, kh, kw] = shape;
  return {
    name: `${packing.name}, ${name}`,
    length: packing.length,
    block: rows,
    planes: 1,
    write(from, to) {
      const seen = new Float32Array(sizeOf(shape));
      let into = 0;
      for (let o = 0; o < outputs; o++) {
        for (let c = 0; c < inputs; c++) {
          for (let a = 0; a < kh; a++) {
            for (let b = 0; b < kw; b++) seen[into++] = from[indexIn(steps, o, c, a, b)]!;
          }
        }
      }
      packing.write(seen, to);
    },
  };
}
