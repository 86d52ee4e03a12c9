import { readTensor, type Tensor } from "@residual/core";
import type { Weights } from "../weights.ts";
import type { View } from "./layout.ts";

/** The weights, those of `views` gathered out of the stretches of numbers that they are scattered over. */
export async function gatherViews(weights: Weights, views: ReadonlyMap<string, View>): Promise<Weights> {
  if (views.size === 0) return weights;
  const tensors = new Map(weights.tensors);
  for (const [name, view] of views) tensors.set(name, gather(await readTensor(tensors.get(name)!), view));
  return weights.withTensors(tensors);
}

/** The numbers of a view in row-major order. `stretch` reaches from its first number to its last. */
function gather(stretch: Tensor, { shape, strides }: View): Tensor {
  const data = stretch.data.slice(0, 0);
  const size = shape.reduce((product, length) => product * length, 1);
  const numbers = new (data.constructor as new (length: number) => typeof data)(size);
  const counters = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < size; i++) {
    numbers[i] = stretch.data[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      counters[axis]!++;
      if (counters[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      counters[axis] = 0;
    }
  }
  return { ...stretch, shape, data: numbers } as Tensor;
}
