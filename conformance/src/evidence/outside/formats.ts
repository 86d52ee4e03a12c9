/** The formats of floating point that vectors are recorded in. */
export type FloatFormat = "float16" | "float32" | "float64";

interface Format {
  /** Unit roundoff. */
  readonly unit: number;
  /** Below this the numbers are this far apart from each other as there: subnormal. */
  readonly least: number;
  readonly round: (value: number) => number;
}

const floatFormats: { readonly [Name in FloatFormat]: Format } = {
  float16: { unit: 2 ** -11, least: 2 ** -14, round: toFloat16 },
  float32: { unit: 2 ** -24, least: 2 ** -126, round: Math.fround },
  float64: { unit: 2 ** -53, least: 2 ** -1022, round: (value) => value },
};

/** To the nearest of float16; of two that are as near, to the larger one, which is no matter for what is read here. */
function toFloat16(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -14) - 10);
  return Math.round(value / step) * step;
}

export function isFloat(format: string): format is FloatFormat {
  return format in floatFormats;
}

/**
 * How far a number may have been moved when it was rounded to what is now recorded: by at most u of what came out
 * (Higham 2002, theorem 2.2) or of the smallest normal number, and by nothing where it was one of the format's already.
 */
export function roundingError(format: FloatFormat, recorded: number, exact: number | undefined): number {
  const { unit, least, round } = floatFormats[format];
  if (exact !== undefined && round(exact) === exact) return 0;
  return unit * Math.max(Math.abs(recorded), least);
}
