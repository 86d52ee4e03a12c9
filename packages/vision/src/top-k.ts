import { check, softmaxRow, type Tensor } from "@residual/core";

export interface Prediction {
  readonly label: string;
  /** The class, from 0. */
  readonly index: number;
  readonly probability: number;
}

export interface TopKOptions {
  /** Whether the model ends in a softmax: its output is then a probability already. */
  readonly probabilities?: boolean;
}

/**
 * The `k` likeliest classes of each image, likeliest first; all of them where there are fewer than `k`. A tie goes to
 * the lower index; NaN counts as largest, as in PyTorch, so that it shows. Without `labels` a class is called by its
 * index.
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
    const probabilities = options.probabilities ? row : softmaxRow(row);
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
