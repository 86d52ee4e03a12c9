/** A straight line through points, by least squares. */
export interface Slope {
  readonly perHour: number;
  /** Half of the 95 % confidence interval of `perHour`. */
  readonly within: number;
}

export interface Sample {
  /** Seconds. */
  readonly at: number;
  readonly value: number;
}

/** The slope of samples through time. Their errors have to be independent. */
export function slopeOf(points: readonly Sample[]): Slope {
  const [at, value] = [meanOf(points.map((point) => point.at)), meanOf(points.map((point) => point.value))];
  const sumOf = (term: (point: Sample) => number) => points.reduce((sum, point) => sum + term(point), 0);
  const spread = sumOf((point) => (point.at - at) ** 2);
  const slope = sumOf((point) => (point.at - at) * (point.value - value)) / spread;
  const residual = sumOf((point) => (point.value - value - slope * (point.at - at)) ** 2);
  const degrees = points.length - 2;
  const error = Math.sqrt(residual / degrees / spread);
  return { perHour: 3600 * slope, within: 3600 * error * studentT(degrees) };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The 97.5th percentile of Student's t. Source: Abramowitz and Stegun 26.7.5, its first four terms. */
export function studentT(degrees: number): number {
  const x = 1.959964;
  const [x3, x5, x7] = [x ** 3, x ** 5, x ** 7];
  const second = (5 * x5 + 16 * x3 + 3 * x) / 96;
  const third = (3 * x7 + 19 * x5 + 17 * x3 - 15 * x) / 384;
  return x + (x3 + x) / (4 * degrees) + second / degrees ** 2 + third / degrees ** 3;
}
