import { OptionError } from "@residual/pipeline";
import { permutation, randomOf } from "../random.ts";
import { type Dataset, indicesByClass } from "./dataset.ts";

export interface SplitOptions {
  /** Share of each class that is held out. Default 0.2 */
  readonly share?: number | undefined;
  /** Default 0 */
  readonly seed?: number | undefined;
}

/** A data set in two parts that share no example. */
export interface Split {
  readonly train: Dataset;
  readonly heldOut: Dataset;
}

/**
 * Holds out a random share of each class, rounded to whole pictures: at least one picture where the class has two or
 * more, and never all. The same seed holds out the same pictures, and a larger share holds out those of a smaller one
 * too. A class with one picture is trained on, and the notes name it.
 *
 * Throws OptionError unless the share lies between 0 and 1, or if no picture would be held out.
 */
export function split(dataset: Dataset, { share = 0.2, seed = 0 }: SplitOptions = {}): Split {
  if (!(share > 0 && share < 1))
    throw new OptionError(`\`share\` is ${share}, expected a number between 0 and 1, such as 0.2`);
  const heldOut = new Set<number>();
  const alone: string[] = [];
  for (const [label, indices] of indicesByClass(dataset).entries()) {
    if (indices.length === 1) alone.push(dataset.labels[label]!);
    const count = Math.min(Math.max(Math.round(indices.length * share), 1), indices.length - 1);
    const order = permutation(randomOf(seed, "split", label), indices.length);
    for (const at of order.subarray(0, count)) heldOut.add(indices[at]!);
  }
  if (heldOut.size === 0)
    throw new OptionError(
      "no class has two pictures, so none can be held out; add pictures, or give others to judge by",
    );
  const part = (isHeldOut: boolean): Dataset => ({
    ...dataset,
    examples: dataset.examples.filter((_, index) => heldOut.has(index) === isHeldOut),
  });
  const note = `classes with a single picture, which is not held out: ${alone.join(", ")}`;
  const notes = alone.length > 0 ? [...dataset.notes, note] : dataset.notes;
  return { train: { ...part(false), notes }, heldOut: { ...part(true), notes: [] } };
}
