import { type RealTensor, softmaxRow } from "@residual/core";

/** What a network says of one labelled picture. */
export interface Judged {
  /** The index of the example. */
  readonly index: number;
  readonly label: number;
  /** The likeliest class; a tie goes to the lower index. */
  readonly predicted: number;
  /** The probability of the predicted class. */
  readonly confidence: number;
  /** The classes that are likelier than the label: 0 if the prediction is right. */
  readonly rank: number;
  /** The cross-entropy: −log of the label's probability. */
  readonly loss: number;
}

/** Judges the rows of logits [N, classes] by labels. NaN counts as the largest logit, so that it shows. */
export function judge(logits: RealTensor, labels: ArrayLike<number>, indices: ArrayLike<number>): readonly Judged[] {
  const [rows, classes] = logits.shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const own = logits.data.subarray(row * classes, (row + 1) * classes);
    const label = labels[row]!;
    const predicted = largest(own);
    return {
      index: indices[row]!,
      label,
      predicted,
      confidence: softmaxRow(own)[predicted]!,
      rank: rankOf(own, label),
      loss: logSumExp(own) - own[label]!,
    };
  });
}

function largest(values: Float32Array | Float64Array): number {
  let best = 0;
  for (let at = 1; at < values.length; at++) if (isAbove(values[at]!, at, values[best]!, best)) best = at;
  return best;
}

function rankOf(values: Float32Array | Float64Array, label: number): number {
  let rank = 0;
  for (let at = 0; at < values.length; at++) if (isAbove(values[at]!, at, values[label]!, label)) rank++;
  return rank;
}

/** Whether class `a` comes before class `b`. */
function isAbove(valueA: number, a: number, valueB: number, b: number): boolean {
  const [x, y] = [valueA, valueB].map((value) => (Number.isNaN(value) ? Infinity : value)) as [number, number];
  return x === y ? a < b : x > y;
}

function logSumExp(values: Float32Array | Float64Array): number {
  const most = Math.max(...values);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - most);
  return most + Math.log(sum);
}
