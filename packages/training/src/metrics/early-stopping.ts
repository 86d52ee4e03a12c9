import { OptionError } from "@residual/pipeline";

export interface EarlyStopping {
  /** Epochs without an improvement after which training stops. */
  readonly patience: number;
  /** The least increase of the accuracy, or decrease of the loss, that counts as one. Default 0 */
  readonly least?: number | undefined;
  /** Default "accuracy" */
  readonly by?: "accuracy" | "loss" | undefined;
}

type Judgement = { readonly accuracy: number; readonly loss: number };

/** Whether training should stop after the epochs of a history: the last `patience` did not improve on the best. */
export function shouldStop(
  history: readonly Judgement[],
  { patience, least = 0, by = "accuracy" }: EarlyStopping,
): boolean {
  if (!(Number.isSafeInteger(patience) && patience > 0))
    throw new OptionError(`early stopping: \`patience\` is ${patience}, expected a whole number from 1`);
  let best = -Infinity;
  let at = -1;
  for (const [epoch, judgement] of history.entries()) {
    const value = by === "accuracy" ? judgement.accuracy : -judgement.loss;
    const needed = best === -Infinity ? best : best + least;
    if (!(value > needed)) continue; // NaN is no improvement
    best = value;
    at = epoch;
  }
  return history.length - 1 - at >= patience;
}
