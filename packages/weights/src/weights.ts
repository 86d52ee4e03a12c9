import { type NamedSource, readTensor, type Tensor } from "@residual/core";

/**
 * Named tensors and lazy sources, in their file's order, with what the file says of itself. Parameter names are
 * `state_dict` keys.
 */
export interface Weights<Source extends NamedSource = NamedSource> {
  readonly tensors: ReadonlyMap<string, Source>;
  readonly metadata: Readonly<Record<string, string>>;
  /** What people should hear of how the weights were read, as sentences: which tensors were left out, and why. */
  readonly notes?: readonly string[];
}

/** The same weights with all numbers in memory. Throws FormatError where their file has changed. */
export async function readTensors(weights: Weights): Promise<Weights<Tensor>> {
  const read = new Map<string, Tensor>();
  for (const [name, source] of weights.tensors) read.set(name, await readTensor(source));
  return { ...weights, tensors: read };
}
