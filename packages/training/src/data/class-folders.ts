import { stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { FormatError } from "@residual/core";
import { foldersIn, isPassedOver, picturesIn } from "@residual/kit/files";
import type { Dataset, Example } from "./dataset.ts";

/**
 * A folder for each class, with pictures in it and in its subfolders. Labels are the folders' names, sorted, as in
 * torchvision's ImageFolder. Hidden folders and system folders are skipped. Examples are named by their path in the
 * folder, so that a data set may be moved.
 *
 * Throws FormatError if there are fewer than two classes, or if a class has no picture.
 */
export async function classFolders(path: string): Promise<Dataset> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new FormatError(`${path}: found ${found ? "a file" : "nothing"}, expected a folder with a folder per class`);
  const labels = (await foldersIn(path)).filter((name) => !isPassedOver(name));
  if (labels.length < 2)
    throw new FormatError(
      `${path}: found ${labels.length === 0 ? "no folders" : `one folder (${labels[0]})`}, expected a folder for each ` +
        "of two classes or more, with its pictures",
    );
  const examples: Example[] = [];
  const notes: string[] = [];
  const empty: string[] = [];
  for (const [label, name] of labels.entries()) {
    const { pictures, notes: skipped } = await picturesIn(join(path, name));
    if (pictures.length === 0) empty.push(name);
    notes.push(...skipped);
    examples.push(...pictures.map((file) => ({ name: relative(path, file), label, picture: { path: file } })));
  }
  if (empty.length > 0)
    throw new FormatError(
      `${path}: no pictures in ${empty.join(", ")}; a class without pictures cannot be learnt: add some, or remove it`,
    );
  return { labels, examples, notes };
}
