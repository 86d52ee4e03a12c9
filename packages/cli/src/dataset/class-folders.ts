import { join } from "node:path";
import { FormatError, tensorOf } from "@residual/core";
import { foldersIn, isPassedOver, picturesIn } from "@residual/kit/files";
import { decodeInto } from "@residual/vision";
import { type Classes, classesOfFolders } from "./classes.ts";
import type { Dataset } from "./dataset.ts";

/**
 * A folder for each class, with pictures in it and in its subfolders, like torchvision's ImageFolder. Hidden folders
 * and system folders are skipped. Throws FormatError if the folders are not the model's classes.
 */
export async function classFolders(path: string, model: Classes): Promise<Dataset> {
  const folders = await foldersIn(path);
  const names = folders.filter((name) => !isPassedOver(name));
  if (names.length === 0)
    throw new FormatError(`${path} holds no folders; expected one for each class, with its pictures`);
  const { labels, note } = classesOfFolders(path, names, model);
  const pictures: { readonly file: string; readonly label: number }[] = [];
  const notes = note === undefined ? [] : [note];
  const passedOver = folders.filter(isPassedOver);
  if (passedOver.length > 0) notes.push(`skipped folders that are not class names: ${passedOver.join(", ")}`);
  const empty: string[] = [];
  for (const [at, name] of names.entries()) {
    const found = await picturesIn(join(path, name));
    pictures.push(...found.pictures.map((file) => ({ file, label: labels[at]! })));
    notes.push(...found.notes);
    if (found.pictures.length === 0) empty.push(name);
  }
  if (pictures.length === 0) throw new FormatError(`${path}: no pictures in its ${names.length} folders`);
  if (empty.length > 0) notes.push(`no pictures in ${empty.join(", ")}`);
  return {
    images: pictures.length,
    notes,
    nameOf: (index) => pictures[index]!.file,
    async sample(index, preprocessing, { signal, maxPixels }) {
      const { file, label } = pictures[index]!;
      try {
        const side = preprocessing.crop;
        const image = tensorOf("float32", [1, 3, side, side], new Float32Array(3 * side * side));
        await decodeInto(file, preprocessing, image.data, { signal, maxPixels });
        return { label, image };
      } catch (error) {
        if (error instanceof FormatError) return error;
        throw error;
      }
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
