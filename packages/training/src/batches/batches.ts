import { throwIfAborted, type WorkOptions } from "@residual/core";
import type { Dataset } from "../data/dataset.ts";
import type { BatchMaker } from "./batch-maker.ts";
import type { Batch, BatchRecipe } from "./make-batch.ts";

/** The examples of batches, in order. */
export interface BatchPlan {
  readonly dataset: Dataset;
  /** Indices of examples. */
  readonly order: ArrayLike<number>;
  /** Pictures of a batch. */
  readonly size: number;
  readonly recipe: BatchRecipe;
  /** Where the batches begin: earlier ones are left out, and later ones are the same. Default 0 */
  readonly first?: number | undefined;
  /** Whether the last batch may be smaller than the others. If not, the remaining examples are left out. */
  readonly isLastPartial: boolean;
  /** Without it nothing is random. */
  readonly draw?: { readonly seed: number; readonly epoch: number } | undefined;
}

/** A batch with the indices of its examples in the data set. */
export interface IndexedBatch extends Batch {
  readonly indices: Int32Array;
}

export function batchCount({
  order,
  size,
  isLastPartial,
}: Pick<BatchPlan, "order" | "size" | "isLastPartial">): number {
  return isLastPartial ? Math.ceil(order.length / size) : Math.floor(order.length / size);
}

/**
 * The batches of a plan, in order. While the caller works on one, those after it are made: as many as the maker makes
 * at a time, and one more. Throws as the maker does, when the batch is asked for; AbortError.
 */
export async function* batches(
  plan: BatchPlan,
  maker: BatchMaker,
  { signal }: Pick<WorkOptions, "signal"> = {},
): AsyncGenerator<IndexedBatch> {
  const count = batchCount(plan);
  const ahead: Promise<IndexedBatch>[] = [];
  let next = plan.first ?? 0;
  const request = () => {
    const batch = requested(plan, next++, maker);
    batch.catch(() => {}); // thrown when the batch is asked for, if ever
    ahead.push(batch);
  };
  try {
    while (next < count || ahead.length > 0) {
      throwIfAborted(signal);
      while (next < count && ahead.length <= maker.atATime) request();
      yield await ahead.shift()!;
    }
  } finally {
    await Promise.allSettled(ahead); // so that whoever closes the maker interrupts none
  }
}

async function requested(
  { dataset, order, size, recipe, draw }: BatchPlan,
  batch: number,
  maker: BatchMaker,
): Promise<IndexedBatch> {
  const first = batch * size;
  const indices = Array.from({ length: Math.min(size, order.length - first) }, (_, i) => order[first + i]!);
  const examples = indices.map((index) => dataset.examples[index]!);
  const made = await maker.make({ examples, recipe, draw: draw && { ...draw, first } });
  return { ...made, indices: made.places.map((place) => indices[place]!) };
}
