import { winogradF2, winogradF4 } from "@residual/core";
import type { Target } from "../encode/module.ts";
import { direct } from "./direct.ts";
import type { ConvolutionLayer } from "./layer.ts";
import { plain } from "./plain.ts";
import type { Strategy } from "./strategy.ts";
import { isWinograd, winograd } from "./winograd.ts";

/** What a strategy may be chosen by, beside the layer. */
export interface Choice extends Target {
  /** Whether 3 × 3 convolutions may be computed by Winograd's algorithm, which rounds otherwise. */
  readonly winograd: boolean;
}

/** Every way to compute a layer, the plain one last. */
export function strategiesFor(layer: ConvolutionLayer, choice: Choice): readonly Strategy[] {
  const { instructions } = choice;
  const isOffered = choice.winograd && isWinograd(layer);
  const algorithms = isOffered ? [winogradF2, winogradF4].map((points) => winograd(points, layer, instructions)) : [];
  return [...algorithms, ...direct(layer, instructions), plain(layer)];
}

/**
 * Nanoseconds of an image that a byte of packed weights has to save. F(4, 3) saves 0.12 at 14 pixels, where it is left,
 * and F(2, 3) 0.21 at 7: ResNet-18 takes 16 MB less for 2 % more time, and loads sooner.
 */
const BYTE = 0.13;

/** The cheapest, with what its weights take. */
export function choose(layer: ConvolutionLayer, choice: Choice): Strategy {
  const { images = 1 } = layer;
  const price = ({ cost, packing }: Strategy) => cost + (BYTE * (packing?.bytes ?? 0)) / images;
  return strategiesFor(layer, choice).reduce((best, each) => (price(each) < price(best) ? each : best));
}
