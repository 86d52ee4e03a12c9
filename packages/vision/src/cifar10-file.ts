import { FormatError } from "@residual/core";
import type { Pixels } from "./pixels.ts";

export interface LabelledPixels {
  /** The class, 0 to 9, as in `cifar10Labels`. */
  readonly label: number;
  /** 32 x 32. */
  readonly pixels: Pixels;
}

const SIDE = 32;
const PLANE = SIDE * SIDE;
const CLASSES = 10;
/** A byte of label, then the planes red, green and blue. Source: cs.toronto.edu/~kriz/cifar.html, "Binary version". */
const RECORD = 1 + 3 * PLANE;

/** Bytes of one image in a CIFAR-10 binary file. */
export const CIFAR10_RECORD: number = RECORD;

/**
 * The number of images in a file of this size. Throws FormatError unless the size is a positive multiple of 3,073
 * bytes.
 */
export function countCifar10(bytes: number): number {
  const count = bytes / RECORD;
  if (count > 0 && Number.isInteger(count)) return count;
  throw new FormatError(
    `CIFAR-10 file: found ${bytes} bytes, expected whole records of ${RECORD}; is it the binary version?`,
  );
}

/**
 * The images of a CIFAR-10 binary file, in order, or of a part of the file that begins with image `first`. Throws
 * FormatError before any image is made: for a size that is not whole records of 3,073 bytes, and for a label above 9.
 */
export function readCifar10(bytes: Uint8Array, first = 0): readonly LabelledPixels[] {
  const count = countCifar10(bytes.length);
  for (let image = 0; image < count; image++) checkLabel(bytes[image * RECORD]!, first + image);
  return Array.from({ length: count }, (_, image) => record(bytes.subarray(image * RECORD, (image + 1) * RECORD)));
}

function checkLabel(label: number, image: number): void {
  if (label < CLASSES) return;
  throw new FormatError(
    `CIFAR-10 file: found label ${label} on image ${image}, expected 0 to 9; CIFAR-100 is another format`,
  );
}

function record(bytes: Uint8Array): LabelledPixels {
  const data = new Uint8Array(3 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    for (let channel = 0; channel < 3; channel++) data[i * 3 + channel] = bytes[1 + channel * PLANE + i]!;
  }
  return { label: bytes[0]!, pixels: { width: SIDE, height: SIDE, data } };
}
