/**
 * How well the numbers of a software adapter's profile (src/decide/profiles.ts) choose strategies.
 *
 *   node --conditions=@residual/source scripts/costs.ts [MODEL…]     in packages/webgpu; quiet, some minutes
 *
 * The adapter is the one that VK_ICD_FILENAMES names. Each strategy of each layer is timed, as `residual tune` does.
 * Printed is how long the layers take by the strategies of the least cost, over their time by the quickest strategies:
 * with the profile's numbers, and with each of them halved and doubled. A number is right where neither is better.
 */
import { bind, fixtureWeights, optimize, resnet, variants } from "@residual/core";
import type { Cost } from "../src/decide/cost.ts";
import { profileFor } from "../src/decide/profiles.ts";
import { type Timed, webgpu } from "../src/index.ts";
import { type ChosenLayer, lowerToPlan } from "../src/lower/lower.ts";

const parts = ["load", "store", "broadcast", "fma", "keep", "step"] as const;

/** A layer that a network has so many of, and its strategies' times. */
interface Measured extends Pick<ChosenLayer, "layer"> {
  readonly count: number;
  readonly tried: readonly Timed[];
}

const backend = webgpu();
const device = await backend.device();
const profile = profileFor(device, device.adapterInfo, {});
const names = process.argv.length > 2 ? process.argv.slice(2) : ["resnet18", "resnet50", "resnext50_32x4d"];
const measured: Measured[] = [];
for (const name of names) {
  const [, variant] = Object.entries(variants).find(([model]) => model === name) ?? [];
  if (!variant) throw new Error(`no model ${name}`);
  const spec = resnet(variant);
  const graph = bind(spec, fixtureWeights(spec, "v1"));
  const { layers } = lowerToPlan(optimize(graph), 1, profile);
  for (const { name: node, count, tried } of await backend.tune(graph)) {
    const { layer } = layers.find((each) => each.node.name === node)!;
    measured.push({ layer, count, tried });
  }
}

/** Time by the strategies of the least cost, over the time by the quickest. */
function excess(cost: Cost): number {
  const ofName = new Map(profile.strategies.map((strategy) => [strategy.name, strategy]));
  const sum = (timeOf: (each: Measured) => number) =>
    measured.reduce((total, each) => total + each.count * timeOf(each), 0);
  const chosen = ({ layer, tried }: Measured) => {
    const costs = tried.map(({ strategy, ms }) => ({ ms, ns: ofName.get(strategy)!.cost(layer, cost) }));
    return costs.reduce((best, each) => (each.ns < best.ns ? each : best)).ms;
  };
  return sum(chosen) / sum(({ tried }) => Math.min(...tried.map(({ ms }) => ms)));
}

const { cost } = profile;
console.log(`${profile.name}, ${profile.memory}, ${names.join(", ")}: ${excess(cost).toFixed(3)}`);
for (const part of parts) {
  const [half, twice] = [0.5, 2].map((factor) => excess({ ...cost, [part]: factor * cost[part] }).toFixed(3));
  console.log(`${part} ${cost[part]}: halved ${half}, doubled ${twice}`);
}
process.exit(0); // Dawn keeps the process as long as its GPU is held
