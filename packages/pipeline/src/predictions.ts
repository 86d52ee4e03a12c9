import { type Answer, type Preprocessing, type Tensor, tensorOf, WeightsError } from "@residual/core";
import { type Prediction, topK } from "@residual/vision";

/** The facts about a model for the message about outputs that are not finite. */
interface Origin {
  readonly model: string;
  readonly weights: string;
  readonly preprocessing?: Preprocessing | undefined;
}

/** The rows of logits [N, C], each [1, C]. */
export function rowsOf({ shape, data }: Answer): readonly Tensor<"float32">[] {
  const [images = 0, classes = 0] = shape;
  return Array.from({ length: images }, (_, image) =>
    tensorOf("float32", [1, classes], Float32Array.from(data.subarray(image * classes, (image + 1) * classes))),
  );
}

/** The `top` likeliest classes of an image's logits [1, C]; an error if logits are NaN or infinite. */
export function predictionsOf(
  logits: Tensor<"float32">,
  top: number,
  origin: Origin & { readonly labels: readonly string[] | undefined },
): readonly Prediction[] | WeightsError {
  return nonFinite(logits, origin) ?? topK(logits, top, origin.labels)[0]!;
}

/** Throws WeightsError for logits that are NaN or infinite. */
export function checkFinite(logits: Answer, origin: Origin): void {
  const error = nonFinite(logits, origin);
  if (error) throw error;
}

function nonFinite({ shape, data }: Answer, { model, weights, preprocessing }: Origin): WeightsError | undefined {
  const index = data.findIndex((value: number) => !Number.isFinite(value));
  if (index < 0) return undefined;
  const by = preprocessing ? `, and its preprocessing (scale ${preprocessing.scale}, std ${preprocessing.std})` : "";
  return new WeightsError(
    `${model} with ${weights} answers ${data[index]} for class ${index % shape[1]!}, expected finite numbers; ` +
      `check the weights${by}: sums pass the range of float32`,
  );
}
