import { UnsupportedError } from "@residual/core";
import type { Prediction } from "@residual/vision";

/** Throws UnsupportedError for predictions of logits that have no softmax: NaN among them, or an infinity. */
export function checkPredictions(predictions: readonly Prediction[], image: string): void {
  if (predictions.some(({ probability }) => Number.isNaN(probability))) throw notFinite(image);
}

/** The same of a row of logits: [classes]. */
export function checkLogitsOf(logits: ArrayLike<number>, image: string): void {
  for (let i = 0; i < logits.length; i++) if (!(Math.abs(logits[i]!) < Infinity)) throw notFinite(image);
}

const notFinite = (image: string): UnsupportedError =>
  new UnsupportedError(
    `${image}: the model answers NaN or infinity, which names no class; its numbers leave float32's range: ` +
      "check the preprocessing (--scale, --mean, --std) and the weights",
  );
