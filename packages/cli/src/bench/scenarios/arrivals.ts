import { mersenne } from "pure-rand/generator/mersenne";

/** The seed of LoadGen's schedule, `*.*.schedule_rng_seed` in its mlperf.conf. */
const scheduleSeed = 16159082839903944936n;

export interface Schedule {
  /** Mean arrivals a second. */
  readonly qps: number;
  /** Least span of the arrivals, milliseconds. */
  readonly duration: number;
  /** Least number of arrivals. */
  readonly queries: number;
  readonly seed?: bigint | undefined;
}

/**
 * Arrival times of a Poisson process, in milliseconds, the first at 0. They are LoadGen's own to the nanosecond, as
 * its `GenerateQueries` makes them with libstdc++: std::mt19937 and std::exponential_distribution. The last arrival is
 * the first one at or after `duration` and `queries`.
 */
export function poissonArrivals({ qps, duration, queries, seed = scheduleSeed }: Schedule): Float64Array {
  const random = mersenne(Number(BigInt.asUintN(32, seed)));
  const word = () => random.next() >>> 0;
  const uniform = () => {
    const low = word();
    return Math.min((low + word() * 2 ** 32) / 2 ** 64, 1 - 2 ** -53);
  };
  const times = [0];
  for (let nanoseconds = 0; nanoseconds < duration * 1e6 || times.length < queries; ) {
    nanoseconds += Math.trunc((-Math.log(1 - uniform()) / qps) * 1e9);
    times.push(nanoseconds / 1e6);
  }
  return Float64Array.from(times);
}
