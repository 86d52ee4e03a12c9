import { permutation, randomOf } from "../random.ts";
import { type Dataset, indicesByClass } from "./dataset.ts";

/**
 * "shuffled": each example once an epoch. "balanced": every class equally often; the examples of rare classes come
 * several times, and those of frequent classes not in every epoch.
 */
export type Sampling = "shuffled" | "balanced";

export type Order = (epoch: number) => Uint32Array;

/** The examples of an epoch in order, as many as there are: a pure function of data set, seed and epoch. */
export function orderOf(dataset: Dataset, sampling: Sampling, seed: number): Order {
  const count = dataset.examples.length;
  if (sampling === "shuffled") return (epoch) => permutation(randomOf(seed, "order", epoch), count);
  const classes = indicesByClass(dataset).filter((indices) => indices.length > 0);
  return (epoch) => {
    const drawn = classes.map((indices, at) => cycled(indices, Math.ceil(count / classes.length), seed, epoch, at));
    // one of each class in turn, so that cutting off the end leaves the classes within one of each other
    const turns = Uint32Array.from(
      { length: count },
      (_, i) => drawn[i % classes.length]![Math.floor(i / classes.length)]!,
    );
    return permutation(randomOf(seed, "order", epoch), count).map((at) => turns[at]!);
  };
}

/** `count` of the indices: all of them in random order before any comes again. */
function cycled(
  indices: readonly number[],
  count: number,
  seed: number,
  epoch: number,
  label: number,
): readonly number[] {
  const drawn: number[] = [];
  for (let round = 0; drawn.length < count; round++) {
    const order = permutation(randomOf(seed, "order", epoch, label, round), indices.length);
    for (const at of order.subarray(0, count - drawn.length)) drawn.push(indices[at]!);
  }
  return drawn;
}

/**
 * A weight for each class, larger for rarer classes: examples / (classes · examples of the class), so that the mean
 * over the examples is 1. A class without examples has the weight 0. Source: scikit-learn, class_weight="balanced".
 */
export function classWeights(dataset: Dataset): readonly number[] {
  const { examples, labels } = dataset;
  return indicesByClass(dataset).map(({ length }) => (length === 0 ? 0 : examples.length / (labels.length * length)));
}
