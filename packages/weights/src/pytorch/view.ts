import { readTensor, stridedTensor } from "@residual/core";
import type { Weights } from "../weights.ts";
import type { View } from "./layout.ts";

/** The weights, those of `views` gathered out of the stretches of numbers that they are scattered over. */
export async function gatherViews(weights: Weights, views: ReadonlyMap<string, View>): Promise<Weights> {
  if (views.size === 0) return weights;
  const tensors = new Map(weights.tensors);
  for (const [name, { shape, strides }] of views) {
    const { dtype, data } = await readTensor(tensors.get(name)!);
    tensors.set(name, stridedTensor(dtype, data, shape, strides));
  }
  return weights.withTensors(tensors);
}
