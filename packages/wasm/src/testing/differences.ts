/** Half of the distance from 1 to the next float32: what one rounding errs by, relative to the answer. */
const UNIT = 2 ** -24;

/** The relative error of n roundings in a row (Higham 2002, lemma 3.1). */
export function gamma(roundings: number): number {
  return (roundings * UNIT) / (1 - roundings * UNIT);
}

/** A correct rounding, and a float64 error before it that is far below. Subnormal answers err by their own unit. */
export function lastPlace(exact: number): number {
  return UNIT * (1 + 2 ** -20) * Math.abs(exact) + 2 ** -150;
}

/**
 * The numbers that are further from the exact ones than `bound` allows, in words, five at the most. A bound of 0 asks
 * for the very float32, but for the sign of 0. NaN asks for NaN and an infinity for the same.
 */
export function differences(
  found: Float32Array,
  exact: Float64Array,
  bound: (index: number) => number = () => 0,
): readonly string[] {
  const wrong: string[] = [];
  for (let at = 0; at < exact.length && wrong.length < 5; at++)
    if (!isWithin(found[at]!, exact[at]!, bound(at)))
      wrong.push(`at ${at} expected ${exact[at]} ± ${bound(at)}, found ${found[at]}`);
  if (found.length !== exact.length) wrong.push(`expected ${exact.length} numbers, found ${found.length}`);
  return wrong;
}

function isWithin(found: number, exact: number, bound: number): boolean {
  if (Number.isNaN(exact)) return Number.isNaN(found);
  if (bound === 0 || !Number.isFinite(exact)) return found === Math.fround(exact);
  return Math.abs(found - exact) <= bound;
}
