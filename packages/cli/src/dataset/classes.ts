import { FormatError } from "@residual/core";
import type { Identified } from "@residual/pipeline";
import { imagenetLabels } from "@residual/vision/imagenet-labels";
import { shorten } from "../printable.ts";
import { imagenetWnids } from "./imagenet-wnids.ts";

/** The facts about a model that a data set needs. */
export type Classes = Pick<Identified, "model" | "spec" | "labels">;

export const countOf = ({ spec: { classes = 1000 } }: Classes): number => classes;

export interface FolderClasses {
  /** The class of each folder. */
  readonly labels: readonly number[];
  /** How the classes were assigned, if that is not obvious. */
  readonly note?: string;
}

/**
 * The class of each folder of a data set. The first rule that fits all names decides: names of the model's classes,
 * ignoring case; indices of classes; WordNet ids of ImageNet. If the model's classes have no names and their number is
 * that of the folders, folders are classes in alphabetical order, as in torchvision's ImageFolder. Throws FormatError
 * if no rule fits, or a folder's class does not exist in the model.
 */
export function classesOfFolders(path: string, names: readonly string[], model: Classes): FolderClasses {
  const classes = countOf(model);
  if (names.length > classes)
    throw new FormatError(`${path}: found ${names.length} folders, but ${model.model} has ${classes} classes`);
  const labels = byName(path, names, model) ?? byIndex(path, names, model) ?? byWnid(path, names, model);
  if (labels) return { labels };
  if (model.labels) throw unknownFolders(path, names, model.labels);
  if (names.length < classes) {
    throw new FormatError(
      `${path}: found ${names.length} folders (${some(names)}) for ${classes} classes, which have no names; ` +
        `call each folder by the index of its class, 0 to ${classes - 1}`,
    );
  }
  const note = `no class names: the folders are classes 0 (${names[0]}) to ${classes - 1} (${names.at(-1)}), in order`;
  return { labels: names.map((_, index) => index), note };
}

function byName(path: string, names: readonly string[], { labels }: Classes): readonly number[] | undefined {
  if (!labels) return undefined;
  const known = indexByName(labels);
  const found = names.map((name) => known(name));
  if (!found.every((indices) => indices.length > 0)) return undefined;
  return found.map((indices, at) => {
    if (indices.length === 1) return indices[0]!;
    const classes = indices.join(" and ");
    throw new FormatError(
      `${path}: the folder ${names[at]} names the classes ${classes}; call folders by the index of their class`,
    );
  });
}

/** Classes by name, or by one of several names separated by commas. Case, blanks, `_` and `-` are ignored. */
export function indexByName(labels: readonly string[]): (name: string) => readonly number[] {
  const whole = new Map<string, number[]>();
  const parts = new Map<string, number[]>();
  const put = (map: Map<string, number[]>, name: string, index: number) => {
    const indices = map.get(name) ?? [];
    map.set(name, indices.includes(index) ? indices : [...indices, index]);
  };
  for (const [index, label] of labels.entries()) {
    put(whole, fold(label), index);
    for (const part of label.split(",")) put(parts, fold(part), index);
  }
  return (name) => whole.get(fold(name)) ?? parts.get(fold(name)) ?? [];
}

const fold = (name: string): string =>
  name
    .normalize("NFC")
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, " ")
    .trim();

function byIndex(path: string, names: readonly string[], model: Classes): readonly number[] | undefined {
  if (!names.every((name) => /^\d+$/.test(name))) return undefined;
  const classes = countOf(model);
  const above = names.find((name) => Number(name) >= classes);
  if (above === undefined) return names.map(Number);
  throw new FormatError(
    `${path}: the folder ${above} is not an index of ${model.model}'s ${classes} classes, expected 0 to ${classes - 1}`,
  );
}

function byWnid(path: string, names: readonly string[], model: Classes): readonly number[] | undefined {
  if (!names.every((name) => /^n\d{8}$/.test(name))) return undefined;
  const indices = names.map((name) => imagenetWnids.indexOf(name));
  const unknown = names.find((_, at) => indices[at] === -1);
  if (isImagenet(model)) {
    if (unknown === undefined) return indices;
    throw new FormatError(`${path}: the folder ${unknown} is none of the 1,000 classes of ImageNet (ILSVRC 2012)`);
  }
  return unknown === undefined
    ? byName(
        path,
        indices.map((index) => imagenetLabels[index]!),
        model,
      )
    : undefined;
}

/** Whether the classes are ImageNet's: by their number, and by most of their names if they have names. */
function isImagenet(model: Classes): boolean {
  if (countOf(model) !== imagenetLabels.length || !model.labels) return countOf(model) === imagenetLabels.length;
  const alike = model.labels.filter((label, index) => indexByName([label])(imagenetLabels[index]!).length > 0);
  return alike.length > imagenetLabels.length / 2;
}

function unknownFolders(path: string, names: readonly string[], labels: readonly string[]): FormatError {
  const known = indexByName(labels);
  const unknown = names.filter((name) => known(name).length === 0);
  const which = unknown.length === 1 ? `the folder ${unknown[0]} is` : `the folders ${some(unknown)} are`;
  return new FormatError(
    `${path}: ${which} none of the model's ${labels.length} classes (${some(labels)}); ` +
      "call folders by the names or the indices of the classes",
  );
}

/** A few names of a list. */
function some(names: readonly string[]): string {
  const shown = names.slice(0, 4).map((name) => shorten(name, 40));
  return names.length > 4 ? `${shown.join(", ")} … ${shorten(names.at(-1)!, 40)}` : shown.join(", ");
}
