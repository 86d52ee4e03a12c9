import type { KerasNetwork, WithFacts } from "./keras/facts.ts";

/**
 * The facts in the configuration of a Keras file. Undefined for other files, and for a configuration that is damaged or
 * lists no layers; the weights of such a file are still read.
 *
 * Throws UnsupportedError if a `Rescaling` or `Normalization` layer at the start of the model computes a function that
 * scale, mean and std of preprocessing cannot express. The message names the layer.
 */
export async function kerasNetwork(weights: WithFacts): Promise<KerasNetwork | undefined> {
  if (weights.metadata["keras.config"] === undefined) return undefined;
  const { factsOf } = await import("./keras/facts.ts");
  return factsOf(weights);
}
