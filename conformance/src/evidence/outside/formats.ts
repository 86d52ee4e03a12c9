/** The floating-point formats of recorded vectors. */
export type FloatFormat = "float16" | "float32" | "float64";

interface Format {
  /** Unit roundoff. */
  readonly unit: number;
  /** The smallest normal number. The spacing of numbers is constant below this number. */
  readonly least: number;
  readonly round: (value: number) => number;
}

const floatFormats: { readonly [Name in FloatFormat]: Format } = {
  float16: { unit: 2 ** -11, least: 2 ** -14, round: toFloat16 },
  float32: { unit: 2 ** -24, least: 2 ** -126, round: Math.fround },
  float64: { unit: 2 ** -53, least: 2 ** -1022, round: (value) => value },
};

/** The nearest float16. Ties round up, which is exact enough for `roundingError`. */
function toFloat16(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -14) - 10);
  return Math.round(value / step) * step;
}

export function isFloat(format: string): format is FloatFormat {
  return format in floatFormats;
}

/**
 * The largest error of rounding a number to `recorded`: u·|recorded| (Higham 2002, theorem 2.2), and at least u times
 * the smallest normal number. The error is 0 if `exact` is known and needs no rounding.
 */
export function roundingError(format: FloatFormat, recorded: number, exact: number | undefined): number {
  const { unit, least, round } = floatFormats[format];
  if (exact !== undefined && round(exact) === exact) return 0;
  return unit * Math.max(Math.abs(recorded), least);
}
