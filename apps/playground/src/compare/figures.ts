import type { Verdict } from "./bench.ts";

/** Numbers as this room writes them, and what is computed of them. */

/** The layer that is at fault: the first that is wrong alone, else the first wrong value of the whole network. */
export function faultOf({ bisection: { wrongNodes, firstWrongValue } }: Verdict): string | undefined {
  return wrongNodes[0]?.name ?? firstWrongValue?.name;
}

/** A share with as few digits as it needs: 0.25, 3.7e+4. */
export function shareText(share: number): string {
  if (share === 0 || !Number.isFinite(share)) return share === 0 ? "0" : "∞";
  return share < 0.001 || share >= 1e4 ? share.toExponential(1) : share.toPrecision(2);
}

/** The upper limit of each step of the colours of shares; above the last is wrong. */
export const steps: readonly number[] = [1e-3, 0.01, 0.1, 0.3, 0.7, 1];

/** The class that colours a share: `s0` to `s5`, or `over`. */
export function stepOf(share: number): string {
  const step = steps.findIndex((limit) => share <= limit);
  return step < 0 ? "over" : `s${step}`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A float32 with all the digits that it has. */
export const digits = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toPrecision(9))) : String(value);

/** Stages of a network, from the names of its nodes: where each begins. */
export function stagesOf(names: readonly string[]): readonly { readonly name: string; readonly at: number }[] {
  const stages: { name: string; at: number }[] = [];
  for (const [at, name] of names.entries()) {
    const stage = /^layer\d+/.exec(name)?.[0] ?? (stages.length > 1 ? "head" : "stem");
    if (stages.at(-1)?.name !== stage) stages.push({ name: stage, at });
  }
  return stages;
}
