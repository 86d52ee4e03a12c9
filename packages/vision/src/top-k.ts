import type { Tensor } from "@residual/core";
import { check } from "@residual/core";

export interface Prediction {
  readonly label: string;
  /** The class, from 0. */
  readonly index: number;
  readonly probability: number;
}

export interface TopKOptions {
  /** The model ends in a softmax of its own: what it gives is the probability already. */
  readonly probabilities?: boolean;
}

/**
 * `exp(x) / Σ exp(x)` in float64, with the largest taken off first so that no exp overflows. As in PyTorch, −∞ is a plain
 * 0, and a NaN, a +∞ or nothing but −∞ makes every probability NaN: such logits mean that the model broke.
 */
export function softmax(logits: Float32Array | Float64Array | readonly number[]): Float64Array {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  let sum = 0;
  for (const share of shares) sum += share;
  return shares.map((share) => share / sum);
}

/**
 * The `k` likeliest classes of each image, likeliest first; all of them where there are fewer than `k`. A tie goes to the
 * lower index; NaN counts as largest, as in PyTorch, so that it shows. Without `labels` a class is called by its index.
 *
 *   logits [N, C]  ->  N lists of min(k, C)
 * K1  logits has rank 2.
 * K2  k is a whole number from 1.
 * K3  there is a label for each class.
 */
export function topK(
  logits: Tensor<"float32" | "float64">,
  k: number,
  labels?: readonly string[],
  options: TopKOptions = {},
): readonly (readonly Prediction[])[] {
  const [batch, classes] = checkArguments(logits, k, labels);
  return Array.from({ length: batch }, (_, image) => {
    const row = logits.data.subarray(image * classes, (image + 1) * classes);
    const probabilities = options.probabilities ? row : softmax(row);
    return largestOf(row, k).map((index) => ({
      label: labels ? labels[index]! : String(index),
      index,
      probability: probabilities[index]!,
    }));
  });
}

function checkArguments({ shape }: Tensor, k: number, labels?: readonly string[]): [batch: number, classes: number] {
  check(shape.length === 2, "topK.K1", `logits of shape [${shape.join(", ")}], expected [N, C]`);
  check(Number.isInteger(k) && k >= 1, "topK.K2", `k is ${k}, expected a whole number from 1`);
  const [batch, classes] = [shape[0]!, shape[1]!];
  const fits = labels === undefined || labels.length === classes;
  check(
    fits,
    "topK.K3",
    `${labels?.length} labels for ${classes} classes; give the labels that the weights were trained on`,
  );
  return [batch, classes];
}

/** The indices of the `k` largest, by insertion into a short list: k is small, the classes many. */
function largestOf(values: Float32Array | Float64Array, k: number): number[] {
  const best: number[] = [];
  for (let index = 0; index < values.length; index++) {
    let place = best.length;
    while (place > 0 && exceeds(values[index]!, values[best[place - 1]!]!)) place--;
    if (place >= k) continue;
    best.splice(place, 0, index);
    if (best.length > k) best.pop();
  }
  return best;
}

function exceeds(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}
