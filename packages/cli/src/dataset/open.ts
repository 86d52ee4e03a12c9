import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "@residual/core";
import { compare } from "@residual/kit/files";
import { cifar10Files } from "./cifar10-files.ts";
import { classFolders } from "./class-folders.ts";
import type { Classes } from "./classes.ts";
import type { Dataset } from "./dataset.ts";

/**
 * CIFAR-10's binary files (one, or a folder of them), or a folder with a folder of pictures per class. Throws
 * FormatError for other data, and if folders are not the model's classes.
 */
export async function openDataset(path: string, model: Classes): Promise<Dataset> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new FormatError(`${path} was not found; give CIFAR-10 binary files, or a folder with a folder per class`);
  if (!found.isDirectory()) return cifar10Files([path], model);
  const entries = await readdir(path, { withFileTypes: true });
  const batches = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".bin"));
  if (batches.length > 0) return cifar10Files(batches.map(({ name }) => join(path, name)).sort(compare), model);
  return classFolders(path, model);
}
