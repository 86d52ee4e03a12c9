import type { Target } from "../encode/module.ts";
import { direct } from "./direct.ts";
import type { ConvolutionLayer } from "./layer.ts";
import { plain } from "./plain.ts";
import type { Strategy } from "./strategy.ts";

/** What a strategy may be chosen by, beside the layer. */
export interface Choice extends Target {
  /** Whether 3 × 3 convolutions may be computed by Winograd's algorithm, which rounds otherwise. */
  readonly winograd: boolean;
}

/** Every way to compute a layer, the plain one last. */
export function strategiesFor(layer: ConvolutionLayer, { instructions }: Choice): readonly Strategy[] {
  return [...direct(layer, instructions), plain(layer)];
}

/** The cheapest. */
export function choose(layer: ConvolutionLayer, choice: Choice): Strategy {
  return strategiesFor(layer, choice).reduce((best, each) => (each.cost < best.cost ? each : best));
}
