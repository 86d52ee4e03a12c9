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
