import { type ResNetSpec, variants } from "@residual/core";
import { cifar10Labels } from "@residual/vision";
import { imagenetLabels } from "@residual/vision/imagenet-labels";
import { describe, expect, it } from "vitest";
import { classesOfFolders } from "./classes.ts";
import { imagenetWnids } from "./imagenet-wnids.ts";

const model = (classes: number, labels?: readonly string[]) => {
  const spec: ResNetSpec = { ...variants.resnet18, classes };
  return { model: "resnet18", spec, labels };
};
const cifar = model(10, cifar10Labels);
const imagenet = model(1000, imagenetLabels);
const labelsOf = (names: readonly string[], of: ReturnType<typeof model>) => classesOfFolders("data", names, of).labels;

describe("folders are classes", () => {
  it.each([
    ["by name", ["cat", "dog"], cifar, [3, 5]],
    ["by name in another case, some of them", ["AIRPLANE", "Truck"], cifar, [0, 9]],
    ["by a name with _ for a blank", ["golden_retriever", "great-white-shark"], imagenet, [207, 2]],
    [
      "by one of several names of a class",
      ["goldfish", "tench"],
      model(2, ["tench, Tinca tinca", "goldfish, C. a."]),
      [1, 0],
    ],
    ["by index", ["3", "5", "8"], cifar, [3, 5, 8]],
    ["by index with zeros in front", ["000", "007"], model(10), [0, 7]],
    ["by name where names are numbers", ["2", "7"], model(2, ["7", "2"]), [1, 0]],
    ["by ImageNet's WordNet ids", ["n01440764", "n02123045", "n15075141"], imagenet, [0, 281, 999]],
    ["by these of a model without names", ["n02123045"], model(1000), [281]],
    [
      "by these, where the model has names of some",
      ["n01440764", "n01443537"],
      model(2, ["goldfish", "tench"]),
      [1, 0],
    ],
  ])("%s", (_, names, of, labels) => {
    expect(classesOfFolders("data", names, of)).toEqual({ labels });
  });

  it("in order where there are no names, and as many: which is said", () => {
    const note = "no class names: the folders are classes 0 (cat) to 2 (ship), in order";
    expect(classesOfFolders("data", ["cat", "dog", "ship"], model(3))).toEqual({ labels: [0, 1, 2], note });
    expect(labelsOf(["n01440764", "n02123045"], model(2))).toEqual([0, 1]);
  });
});

describe("folders are refused", () => {
  it.each([
    ["more than classes", ["a", "b", "c", "d"], model(3), "found 4 folders, but resnet18 has 3 classes"],
    ["more than classes, hidden ones apart", [...cifar10Labels, "zebra"], cifar, "found 11 folders"],
    ["fewer than classes without names", ["cat", "dog"], model(3), "for 3 classes, which have no names"],
    [
      "an index too large",
      ["3", "10"],
      cifar,
      "the folder 10 is not an index of resnet18's 10 classes, expected 0 to 9",
    ],
    ["a stranger among the names", ["cat", "zebra"], cifar, "the folder zebra is none of the model's 10 classes"],
    ["strangers all", ["x", "y", "z"], cifar, "the folders x, y, z are none of the model's 10 classes"],
    [
      "as many strangers as classes",
      ["a", "b", "c"],
      model(3, ["x", "y", "z"]),
      "none of the model's 3 classes (x, y, z)",
    ],
    ["numbers and names", ["3", "cat", "q"], cifar, "the folders 3, q are none"],
    ["an id that is not ImageNet's", ["n01440764", "n99999999"], imagenet, "the folder n99999999 is none of"],
    ["a name of two classes", ["crane"], model(2, ["crane", "Crane"]), "the folder crane names the classes 0 and 1"],
  ])("%s", (_, names, of, message) => {
    expect(() => classesOfFolders("data", names, of)).toThrow(message);
  });
});

it("WordNet ids are ImageNet's: 1,000, sorted, each once", () => {
  expect(imagenetWnids).toHaveLength(imagenetLabels.length);
  expect(imagenetWnids.toSorted()).toEqual(imagenetWnids);
  expect(new Set(imagenetWnids).size).toBe(1000);
  // Source: ILSVRC 2012, LOC_synset_mapping.txt
  const some = { n02123045: "tabby", n02504458: "African elephant", n03594945: "jeep", n07753592: "banana" };
  for (const [id, label] of Object.entries(some)) expect(imagenetLabels[imagenetWnids.indexOf(id)]).toBe(label);
});
