import { keyOf, type Layer } from "./layer.ts";
import type { DeviceProfile } from "./profiles.ts";
import type { Strategy } from "./strategy.ts";

/** Every strategy of a profile that can compute a layer. */
export function strategiesFor({ strategies }: DeviceProfile, layer: Layer): readonly Strategy[] {
  return strategies.filter(({ fits }) => fits(layer));
}

/**
 * The strategy that was measured as the fastest for a layer. Without a measurement, the strategy with the lowest cost.
 */
export function choose(profile: DeviceProfile, layer: Layer): Strategy {
  const { tuned, cost } = profile;
  const all = strategiesFor(profile, layer);
  const measured = tuned?.get(keyOf(layer));
  const known = all.find(({ name }) => name === measured);
  const [first, ...others] = all.map((strategy) => ({ strategy, ns: strategy.cost(layer, cost) }));
  if (!first) throw new TypeError(`no strategy of ${profile.name} computes ${keyOf(layer)}`);
  return known ?? others.reduce((best, each) => (each.ns < best.ns ? each : best), first).strategy;
}
