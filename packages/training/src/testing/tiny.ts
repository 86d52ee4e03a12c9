import { type Backend, type ResNetSpec, reference } from "@residual/core";
import type { Dataset } from "../data/dataset.ts";
import { split } from "../data/split.ts";
import type { FitOptions } from "../fit/options.ts";
import { noise } from "./noise.ts";

/** A residual network of 500 weights, which the reference trains in a fraction of a second. */
export const tinyNet: ResNetSpec = { block: "basic", depths: [1], width: 4, stem: "cifar", size: 8 };

/** Dark noise and light noise: two classes that are easily told apart. */
export function shades(count: number): Dataset {
  const examples = Array.from({ length: 2 * count }, (_, i) => {
    const label = i % 2;
    const { width, height, data } = noise(i, 8);
    const shade = data.map((byte) => (byte >> 1) + 100 * label);
    return { name: `${i}`, label, picture: { pixels: { width, height, data: shade } } };
  });
  return { labels: ["dark", "light"], examples, notes: [] };
}

/** Options of a run of two epochs of five steps. */
export function tinyRun(changes: Partial<FitOptions> = {}): FitOptions {
  const { train, heldOut } = split(shades(20), { share: 0.2 });
  const backend: Backend = reference;
  const augmentation = { crop: { padding: 1 }, flip: 0.5, cutmix: 1 };
  return { model: tinyNet, train, heldOut, backend, epochs: 2, batch: 6, threads: 0, augmentation, ...changes };
}
