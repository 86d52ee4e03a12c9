import { open } from "node:fs/promises";
import { FormatError } from "@residual/core";
import {
  CIFAR10_RECORD,
  cifar10Labels,
  countCifar10,
  type LabelledPixels,
  normalize,
  readCifar10,
} from "@residual/vision";
import { type Classes, countOf, indexByName } from "./classes.ts";
import type { Dataset } from "./dataset.ts";

/** A file whose images are read one by one, so that it may be larger than memory. */
interface File extends AsyncDisposable {
  readonly path: string;
  readonly images: number;
  read(image: number): Promise<LabelledPixels>;
}

/** CIFAR-10's binary files, one after the other. Throws FormatError for a file of another size than whole images. */
export async function cifar10Files(paths: readonly string[], model: Classes): Promise<Dataset> {
  const { classOf, notes } = classesOfCifar10(model);
  const files: File[] = [];
  const close = async () => {
    await Promise.all(files.map((file) => file[Symbol.asyncDispose]()));
  };
  try {
    for (const path of paths) files.push(await openFile(path));
  } catch (error) {
    await close();
    throw error;
  }
  const find = (index: number): readonly [File, number] => {
    let image = index;
    for (const file of files) {
      if (image < file.images) return [file, image];
      image -= file.images;
    }
    throw new RangeError(`there is no image ${index}`);
  };
  return {
    images: files.reduce((sum, { images }) => sum + images, 0),
    input: ["N", 3, 32, 32],
    notes,
    nameOf(index) {
      const [{ path }, image] = find(index);
      return `${path}: image ${image}`;
    },
    async sample(index, preprocessing) {
      const [file, image] = find(index);
      const { label, pixels } = await file.read(image);
      return { label: checkClass(classOf(label), index, file.path, model), image: normalize(pixels, preprocessing) };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** CIFAR-10's classes as the model's: by name if the model has all ten names, else by index. */
function classesOfCifar10({ labels }: Classes): {
  readonly classOf: (label: number) => number;
  readonly notes: readonly string[];
} {
  const known = indexByName(labels ?? cifar10Labels);
  const classes = cifar10Labels.map((name) => known(name));
  if (classes.every(({ length }) => length === 1)) return { classOf: (label) => classes[label]![0]!, notes: [] };
  const found = `${labels?.[0]} … ${labels?.at(-1)}`;
  const note = `the data's classes are CIFAR-10's, the model's have other names (${found}): compared by index`;
  return { classOf: (label) => label, notes: [note] };
}

function checkClass(label: number, index: number, path: string, model: Classes): number {
  const classes = countOf(model);
  if (label < classes) return label;
  throw new FormatError(
    `${path}: picture ${index} is of class ${label}, but ${model.model} has ${classes} classes; ` +
      "give weights of the data's classes",
  );
}

async function openFile(path: string): Promise<File> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const images = orNamed(path, () => countCifar10(size));
    return {
      path,
      images,
      async read(image) {
        const bytes = new Uint8Array(CIFAR10_RECORD);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, image * CIFAR10_RECORD);
        return orNamed(path, () => readCifar10(bytes.subarray(0, bytesRead), image)[0]!);
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function orNamed<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof FormatError ? new FormatError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}
