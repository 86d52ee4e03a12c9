import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, type Preprocessing, type Shape, type Tensor } from "@residual/core";
import type { Identified } from "@residual/pipeline";
import {
  type DecodeOptions,
  decodeImage,
  type LabelledPixels,
  normalize,
  preprocess,
  readCifar10,
} from "@residual/vision";

/** Labelled pictures, in order, each made into a tensor only when it is asked for. */
export interface Dataset {
  readonly images: number;
  /** An open batch of the images that it brings as they are; undefined where the preprocessing decides. */
  readonly input?: Shape;
  /** How the labels were found, where that may surprise. */
  readonly note?: string;
  label(index: number): number;
  image(index: number, preprocessing: Preprocessing, options: DecodeOptions): Promise<Tensor<"float32">>;
}

/** What a data set has to know of the model that it is for. */
type Classes = Pick<Identified, "model" | "spec" | "labels">;

/**
 * CIFAR-10's own files (one, or a folder of them), or a folder that holds a folder of pictures per class. Throws
 * FormatError for anything else, and where a picture's class is one that the model does not have.
 */
export async function openDataset(path: string, model: Classes): Promise<Dataset> {
  const data = await open(path, model);
  const classes = classesOf(model);
  for (let index = 0; index < data.images; index++) {
    if (data.label(index) < classes) continue;
    throw new FormatError(
      `${path}: picture ${index} is of class ${data.label(index)}, but ${model.model} has ${classes} classes; ` +
        "give weights of the data's classes",
    );
  }
  return data;
}

const classesOf = ({ spec: { classes = 1000 } }: Classes): number => classes;

async function open(path: string, model: Classes): Promise<Dataset> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new FormatError(`${path} was not found; give CIFAR-10 binary files, or a folder with a folder per class`);
  if (found.isFile()) return cifar([path]);
  const entries = await readdir(path, { withFileTypes: true });
  const batches = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".bin"));
  if (batches.length > 0) return cifar(batches.map(({ name }) => join(path, name)).sort());
  const classes = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  return folders(path, classes.map(({ name }) => name).sort(), model);
}

async function cifar(files: readonly string[]): Promise<Dataset> {
  const parts = await Promise.all(files.map(recordsOf));
  const records = parts.flat();
  return {
    images: records.length,
    input: ["N", 3, 32, 32],
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

async function folders(path: string, names: readonly string[], model: Classes): Promise<Dataset> {
  if (names.length === 0)
    throw new FormatError(`${path} holds no folders; expected one for each class, with its pictures`);
  const known = foldersOf(names, model);
  const pictures: { file: string; label: number }[] = [];
  for (const [order, name] of names.entries()) {
    const files = (await readdir(join(path, name))).filter((file) => PICTURE.test(file)).sort();
    pictures.push(...files.map((file) => ({ file: join(path, name, file), label: known?.[order] ?? order })));
  }
  if (pictures.length === 0) throw new FormatError(`${path}: no pictures in its ${names.length} folders`);
  return {
    images: pictures.length,
    ...(!known && { note: `no class names: the folders are classes 0 (${names[0]}) to ${names.length - 1}, in order` }),
    label: (index) => pictures[index]!.label,
    image: async (index, preprocessing, { signal, maxPixels }) => {
      const options = { signal, maxPixels, upright: preprocessing.upright };
      return preprocess(await decodeImage(pictures[index]!.file, options), preprocessing);
    },
  };
}

/**
 * The class of each folder: its place among the labels, whatever its case, where every folder is called by one; else
 * its name, where every name is the index of a class. Undefined where folders count in order, as in torchvision's
 * ImageFolder.
 */
function foldersOf(names: readonly string[], model: Classes): readonly number[] | undefined {
  const labels = model.labels?.map((label) => label.toLowerCase()) ?? [];
  const byLabel = names.map((name) => labels.indexOf(name.toLowerCase()));
  if (byLabel.every((index) => index >= 0)) return byLabel;
  const isIndex = (name: string) => /^\d+$/.test(name) && Number(name) < classesOf(model);
  return names.every(isIndex) ? names.map(Number) : undefined;
}
