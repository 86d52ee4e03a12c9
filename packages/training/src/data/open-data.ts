import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { FormatError } from "@residual/core";
import { compare, foldersIn } from "@residual/kit/files";
import { cifar10 } from "./cifar10.ts";
import { classFolders } from "./class-folders.ts";
import { type Split, type SplitOptions, split } from "./split.ts";

/** The file of CIFAR-10 that nobody trains on. */
const CIFAR_TEST = "test_batch.bin";

/** Names of a folder of held-out pictures, beside one called train. */
const heldOutNames = ["val", "valid", "validation", "test"];

/**
 * The labelled pictures in a folder, or in a CIFAR-10 binary file, in two parts. What is marked as held out is: the
 * folder `val`, `valid`, `validation` or `test` beside a folder `train`, and CIFAR-10's test_batch.bin. Else a random
 * share of each class is, by the options.
 *
 * Throws FormatError for other data, and if the folders of the two parts are not the same classes.
 */
export async function openData(path: string, options: SplitOptions = {}): Promise<Split> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new FormatError(`${path} was not found; give a folder with a folder per class, or CIFAR-10 binary files`);
  if (!found.isDirectory()) return split(await cifar10([path]), options);
  const batches = (await readdir(path)).filter((name) => name.endsWith(".bin")).sort(compare);
  if (batches.length > 0)
    return openCifar10(
      batches.map((name) => join(path, name)),
      options,
    );
  const folders = await foldersIn(path);
  const heldOut = heldOutNames.find((name) => folders.includes(name));
  if (!folders.includes("train") || heldOut === undefined) return split(await classFolders(path), options);
  return inTwoFolders(join(path, "train"), join(path, heldOut));
}

async function openCifar10(paths: readonly string[], options: SplitOptions): Promise<Split> {
  const tests = paths.filter((path) => basename(path) === CIFAR_TEST);
  const others = paths.filter((path) => basename(path) !== CIFAR_TEST);
  if (others.length === 0) throw new FormatError(`${tests[0]}: found only the test images; nothing to train on`);
  const train = await cifar10(others);
  return tests.length === 0 ? split(train, options) : { train, heldOut: await cifar10(tests) };
}

async function inTwoFolders(first: string, second: string): Promise<Split> {
  const [train, heldOut] = [await classFolders(first), await classFolders(second)];
  if (train.labels.join("\n") === heldOut.labels.join("\n")) return { train, heldOut };
  const lacks = (names: readonly string[], others: readonly string[]) =>
    names.filter((name) => !others.includes(name)).join(", ") || "none";
  throw new FormatError(
    `${first} and ${second} have other classes: ${lacks(train.labels, heldOut.labels)} only in the first, ` +
      `${lacks(heldOut.labels, train.labels)} only in the second; give both the same folders`,
  );
}
