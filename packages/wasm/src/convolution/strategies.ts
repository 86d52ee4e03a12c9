import { winogradF2, winogradF4 } from "@residual/core";
import type { Target } from "../encode/module.ts";
import { direct } from "./direct.ts";
import type { ConvolutionLayer } from "./layer.ts";
import { plain } from "./plain.ts";
import type { Strategy } from "./strategy.ts";
import { isWinograd, winograd } from "./winograd.ts";

/** The criteria for choosing a strategy, besides the layer. */
export interface StrategyOptions extends Target {
  /** Whether 3 × 3 convolutions may use Winograd's algorithm, which has other rounding errors. */
  readonly winograd: boolean;
}

/** Every strategy for a layer; the plain one is last. */
export function strategiesFor(layer: ConvolutionLayer, choice: StrategyOptions): readonly Strategy[] {
  const { instructions } = choice;
  const isOffered = choice.winograd && isWinograd(layer);
  const algorithms = isOffered ? [winogradF2, winogradF4].map((points) => winograd(points, layer, instructions)) : [];
  return [...algorithms, ...direct(layer, instructions), plain(layer)];
}

/**
 * Nanoseconds per image that each byte of packed weights must save. F(4, 3) saves 0.12 at 14 pixels and is not taken
 * there; F(2, 3) saves 0.21 at 7. ResNet-18 needs 16 MB less for 2 % more time, and loads sooner.
 */
const BYTE = 0.13;

/** The cheapest strategy, including the price of its weights. */
export function choose(layer: ConvolutionLayer, choice: StrategyOptions): Strategy {
  const { images = 1 } = layer;
  const price = ({ cost, packing }: Strategy) => cost + (BYTE * (packing?.bytes ?? 0)) / images;
  return strategiesFor(layer, choice).reduce((best, each) => (price(each) < price(best) ? each : best));
}
