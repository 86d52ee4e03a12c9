import type { LabelSetName, ResNetSpec } from "@residual/core";

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

/** CIFAR-100's fine classes, in its order, which is the alphabet's. Source: the meta file of the data set. */
const cifar100Labels: readonly string[] = `
apple, aquarium_fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus, butterfly, camel,
can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, couch, crab, crocodile, cup, dinosaur,
dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard, lamp, lawn_mower, leopard, lion,
lizard, lobster, man, maple_tree, motorcycle, mountain, mouse, mushroom, oak_tree, orange, orchid, otter, palm_tree,
pear, pickup_truck, pine_tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray, road, rocket, rose, sea,
seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel, streetcar, sunflower, sweet_pepper, table, tank,
telephone, television, tiger, tractor, train, trout, tulip, turtle, wardrobe, whale, willow_tree, wolf, woman, worm
`
  .trim()
  .split(/,\s+/)
  .map((name) => name.replaceAll("_", " "));

/** ImageNet's names are imported on demand: they take 5 kB of a page, compressed. */
const labelSets: { readonly [Name in LabelSetName]: () => Promise<readonly string[]> } = {
  imagenet: async () => (await import("./imagenet-labels.ts")).imagenetLabels,
  cifar10: async () => cifar10Labels,
  cifar100: async () => cifar100Labels,
};

/**
 * The names of a model's classes: those that its spec has, where there is one for each class. Undefined where the spec
 * has none, or where it was changed to another number of classes: `{ ...variants.resnet18, classes: 10 }` has none.
 */
export async function labelsOf({ labels, classes = 1000 }: ResNetSpec): Promise<readonly string[] | undefined> {
  const names = typeof labels === "string" ? await labelSets[labels]() : labels;
  return names?.length === classes ? names : undefined;
}
