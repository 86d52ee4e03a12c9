import { type ResNetSpec, variants } from "@residual/core";
import { expect, it } from "vitest";
import { imagenetLabels } from "./imagenet-labels.ts";
import { cifar10Labels, labelsOf } from "./labels.ts";

const labelled = Object.entries<ResNetSpec>(variants).filter(([, row]) => row.labels && row.classes !== 0);

it.each(labelled)("%s has a label for each class", async (_, row) => {
  expect(await labelsOf(row)).toHaveLength(row.classes ?? 1000);
});

it("ImageNet has 1,000 names, each once, in torchvision's order", () => {
  expect(new Set(imagenetLabels).size).toBe(1000);
  expect(imagenetLabels).toHaveLength(1000);
  const known = { 0: "tench", 134: "crane bird", 207: "golden retriever", 281: "tabby", 285: "Egyptian cat" };
  for (const [index, name] of Object.entries(known)) expect(imagenetLabels[Number(index)]).toBe(name);
  expect([imagenetLabels[517], imagenetLabels[999]]).toEqual(["crane", "toilet tissue"]);
  expect(imagenetLabels.every((name) => name === name.trim() && name !== "")).toBe(true);
});

it("CIFAR-100 has 100, each once, in the alphabet's order", async () => {
  const names = (await labelsOf(variants.cifar100_resnet20))!;
  expect(names).toHaveLength(100);
  expect(names).toEqual([...new Set(names)].toSorted());
  expect([names[0], names[1], names[70], names[99]]).toEqual(["apple", "aquarium fish", "rose", "worm"]);
});

it("CIFAR-10 has 10", () => {
  expect(cifar10Labels).toHaveLength(10);
  expect([cifar10Labels[0], cifar10Labels[3], cifar10Labels[9]]).toEqual(["airplane", "cat", "truck"]);
});

it("a model's are those of its row, for as many classes as they name", async () => {
  expect(await labelsOf(variants.resnet50)).toBe(imagenetLabels);
  expect(await labelsOf(variants.cifar_resnet20)).toBe(cifar10Labels);
  expect(await labelsOf({ ...variants.resnet50, classes: 10 })).toBeUndefined();
  expect(await labelsOf({ ...variants.cifar_resnet20, classes: 1000 })).toBeUndefined();
  expect(await labelsOf(variants.keras_tutorial_resnet)).toBeUndefined();
  expect(await labelsOf({ ...variants.resnet18, classes: 2, labels: ["cat", "dog"] })).toEqual(["cat", "dog"]);
});
