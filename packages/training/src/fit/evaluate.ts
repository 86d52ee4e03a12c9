import {
  type Backend,
  bind,
  type Executable,
  FormatError,
  type Graph,
  type NamedSources,
  type Signal,
} from "@residual/core";
import type { BatchMaker } from "../batches/batch-maker.ts";
import { batches } from "../batches/batches.ts";
import type { BatchRecipe, UnreadablePicture } from "../batches/make-batch.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Judged, judge } from "../metrics/judged.ts";

export interface EvaluateOptions {
  readonly backend: Backend;
  readonly maker: BatchMaker;
  /** Pictures of a run. Default 64 */
  readonly batch?: number | undefined;
  readonly signal?: Signal | undefined;
  readonly onUnreadable?: ((picture: UnreadablePicture) => void) | undefined;
}

/**
 * Judges a network by labelled pictures, with running statistics, as it will be used: the graph is compiled with the
 * weights as constants, for this one evaluation. A picture that cannot be read is left out.
 *
 * Throws FormatError if no picture can be read.
 */
export async function evaluate(
  graph: Graph<"image", "logits">,
  weights: NamedSources,
  dataset: Dataset,
  recipe: BatchRecipe,
  options: EvaluateOptions,
): Promise<readonly Judged[]> {
  const { backend, signal } = options;
  await using executable = await backend.compile(bind(graph, weights), { signal });
  const judged = await judgeAll(executable, dataset, recipe, options);
  if (judged.length > 0) return judged;
  throw new FormatError(`none of the ${dataset.examples.length} pictures to judge by can be read`);
}

async function judgeAll(
  executable: Executable<"image", "logits">,
  dataset: Dataset,
  recipe: BatchRecipe,
  { maker, batch: size = 64, signal, onUnreadable }: EvaluateOptions,
): Promise<readonly Judged[]> {
  const plan = {
    dataset,
    order: dataset.examples.map((_, index) => index),
    size,
    recipe: { ...recipe, augmentation: {}, labelSmoothing: 0, classWeights: undefined, unreadable: "leave out" },
    isLastPartial: true,
  } as const;
  const judged: Judged[] = [];
  for await (const batch of batches(plan, maker, { signal })) {
    for (const picture of batch.unreadable) onUnreadable?.(picture);
    if (batch.indices.length === 0) continue;
    const { logits } = await executable.run({ image: batch.image }, { signal });
    judged.push(...judge(logits, batch.labels, batch.indices));
  }
  return judged;
}
