import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, type Tensor, type WorkOptions } from "@residual/core";
import {
  cifar10Labels,
  decodeImage,
  type LabelledPixels,
  normalize,
  type Preprocessing,
  preprocess,
  readCifar10,
} from "@residual/vision";

/** Labelled pictures, in order, each made into a tensor only when it is asked for. */
export interface Dataset {
  readonly images: number;
  /** The side of the images that it brings as they are; undefined where the preprocessing decides. */
  readonly size?: number;
  /** How the labels were found, where that may surprise. */
  readonly note?: string;
  label(index: number): number;
  image(index: number, preprocessing: Preprocessing, options: WorkOptions): Promise<Tensor<"float32">>;
}

/** CIFAR-10's own files (one, or a folder of them), or a folder that holds a folder of pictures per class. */
export async function openDataset(path: string, labels: readonly string[] | undefined): Promise<Dataset> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new FormatError(`${path} was not found; give CIFAR-10 binary files, or a folder with a folder per class`);
  if (found.isFile()) return cifar([path]);
  const entries = await readdir(path, { withFileTypes: true });
  const batches = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".bin"));
  if (batches.length > 0) return cifar(batches.map(({ name }) => join(path, name)).sort());
  return folders(
    path,
    entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort(),
    labels,
  );
}

async function cifar(files: readonly string[]): Promise<Dataset> {
  const parts = await Promise.all(files.map(recordsOf));
  const records = parts.flat();
  return {
    images: records.length,
    size: 32,
    label: (index) => records[index]!.label,
    image: async (index, preprocessing) => normalize(records[index]!.pixels, preprocessing),
  };
}

async function recordsOf(file: string): Promise<readonly LabelledPixels[]> {
  try {
    return readCifar10(await readFile(file));
  } catch (error) {
    throw error instanceof FormatError ? new FormatError(`${file}: ${error.message}`, { cause: error }) : error;
  }
}

const PICTURE = /\.(jpe?g|png|webp|gif|tiff?|avif|bmp)$/i;

/** Classes by folder: by the label's name where every folder has one, else in order, as torchvision's ImageFolder counts. */
async function folders(
  path: string,
  names: readonly string[],
  labels: readonly string[] | undefined,
): Promise<Dataset> {
  if (names.length === 0)
    throw new FormatError(`${path} holds no folders; expected one for each class, with its pictures`);
  const known = [labels, cifar10Labels].find((list) => list && names.every((name) => list.includes(name)));
  const pictures: { file: string; label: number }[] = [];
  for (const [order, name] of names.entries()) {
    const files = (await readdir(join(path, name))).filter((file) => PICTURE.test(file)).sort();
    pictures.push(
      ...files.map((file) => ({ file: join(path, name, file), label: known ? known.indexOf(name) : order })),
    );
  }
  if (pictures.length === 0) throw new FormatError(`${path}: no pictures in its ${names.length} folders`);
  return {
    images: pictures.length,
    ...(!known && { note: `no class names: the folders are classes 0 (${names[0]}) to ${names.length - 1}, in order` }),
    label: (index) => pictures[index]!.label,
    image: async (index, preprocessing, { signal }) =>
      preprocess(await decodeImage(pictures[index]!.file, { signal, upright: preprocessing.upright }), preprocessing),
  };
}
