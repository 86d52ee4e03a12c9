export interface Statistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Share of numbers that are exactly 0, from 0 to 1. */
  readonly zeros: number;
  /** Counts of the numbers other than 0, in equal bins from `min` to `max`. */
  readonly histogram: readonly number[];
}

const BINS = 40;

/** Statistics in float64. An empty array has NaN for its numbers. */
export function statisticsOf(numbers: Float32Array): Statistics {
  let [min, max, sum, zeros] = [Infinity, -Infinity, 0, 0];
  for (const each of numbers) {
    if (each < min) min = each;
    if (each > max) max = each;
    if (each === 0) zeros++;
    sum += each;
  }
  const count = numbers.length;
  return { count, min, max, mean: sum / count, zeros: zeros / count, histogram: histogramOf(numbers, min, max) };
}

function histogramOf(numbers: Float32Array, min: number, max: number): readonly number[] {
  const bins = Array.from({ length: BINS }, () => 0);
  const scale = max > min ? BINS / (max - min) : 0;
  for (const each of numbers) if (each !== 0) bins[Math.min(Math.floor((each - min) * scale), BINS - 1)]! += 1;
  return bins;
}

/** The largest number of each channel. `numbers` is [channels, size]. */
export function peaksOf(numbers: Float32Array, channels: number): Float32Array<ArrayBuffer> {
  const size = numbers.length / channels;
  return Float32Array.from({ length: channels }, (_, channel) => {
    let peak = -Infinity;
    for (let at = channel * size; at < (channel + 1) * size; at++) peak = Math.max(peak, numbers[at]!);
    return peak;
  });
}

/** Indices of the largest numbers first; equal numbers keep their order. */
export function strongestFirst(numbers: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: numbers.length }, (_, at) => at).sort((a, b) => numbers[b]! - numbers[a]! || a - b);
}

const MOST_SPOTS = 8;

/** Flat indices of a map's strongest positive numbers, at most eight, no two of them neighbours. */
export function spotsOf(numbers: Float32Array, width: number): readonly number[] {
  const spots: number[] = [];
  const isNear = (a: number, b: number) =>
    Math.abs(Math.floor(a / width) - Math.floor(b / width)) <= 1 && Math.abs((a % width) - (b % width)) <= 1;
  for (const at of strongestFirst(numbers)) {
    if (spots.length === MOST_SPOTS || numbers[at]! <= 0) break;
    if (!spots.some((spot) => isNear(spot, at))) spots.push(at);
  }
  return spots;
}
