import type { Weights } from "@residual/weights";
import type { Recognition } from "./fitting.ts";

/**
 * The models that weights fit, by names and shapes alone. The number of classes and of input channels may differ, and
 * the last layer may be missing.
 *
 * Several models are ordered: first those whose files have the scheme's names, then those with the same number of
 * classes, then by core's table, which has common models before their relatives.
 */
export async function recognize(weights: Weights): Promise<Recognition> {
  const { recognitionOf } = await import("./fitting.ts"); // most files name their model
  return recognitionOf(weights);
}
