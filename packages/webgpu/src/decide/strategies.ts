import { keyOf, type Layer } from "./layer.ts";
import type { DeviceProfile } from "./profiles.ts";
import type { Strategy } from "./strategy.ts";
import type { WeightGradientStrategy } from "./weight-gradient.ts";

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

/** The strategy with the lowest cost for the gradient of a layer by its weight. Undefined if none fits. */
export function chooseWeightGradient(
  { weightGradients, cost }: DeviceProfile,
  layer: Layer,
): WeightGradientStrategy | undefined {
  const costs = weightGradients
    .filter(({ fits }) => fits(layer))
    .map((strategy) => ({ strategy, ns: strategy.cost(layer, cost) }));
  return costs.toSorted((a, b) => a.ns - b.ns)[0]?.strategy;
}
