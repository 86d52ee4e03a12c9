import type { LabelSetName, ResNetSpec } from "@residual/core";
import { imagenetLabels } from "./imagenet-labels.ts";

export { imagenetLabels } from "./imagenet-labels.ts";

/** CIFAR-10's classes, in its order. Source: batches.meta.txt of the data set. */
export const cifar10Labels: readonly string[] = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

const labelSets: { readonly [Name in LabelSetName]: readonly string[] } = {
  imagenet: imagenetLabels,
  cifar10: cifar10Labels,
};

/**
 * The names of a model's classes: those that its spec has, where there is one for each class. Undefined where the spec
 * has none, or where it was changed to another number of classes: `{ ...variants.resnet18, classes: 10 }` has none.
 */
export function labelsOf({ labels, classes = 1000 }: ResNetSpec): readonly string[] | undefined {
  const names = typeof labels === "string" ? labelSets[labels] : labels;
  return names?.length === classes ? names : undefined;
}
