import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Interpolation } from "@residual/core";
import coded from "../../golden/codings/pictures.json" with { type: "json" };

type Pair = readonly [number, number];

export interface GoldenCase {
  readonly image: string;
  readonly variant: "as-is" | "upright" | "highbyte";
  readonly mode: string;
  readonly decodedSize: Pair;
  readonly decodedRgbSha256: string;
  readonly resizedSize: Pair;
  readonly resizedSha256: string;
  readonly cropLeftTop: Pair;
  readonly expected: string;
  readonly probes: readonly { x: number; y: number; rgb: number[]; normalized: number[] }[];
}

interface Manifest {
  readonly cases: readonly GoldenCase[];
  readonly smallResizes: readonly {
    filter: Interpolation;
    src: Pair;
    dst: Pair;
    srcRgb: number[];
    dstRgb: number[];
  }[];
  readonly sizeRule: readonly { size: Pair; resize: number; crop: number; resized: Pair; cropLeftTop: Pair }[];
}

const folder = new URL("../../golden/preprocess/", import.meta.url);

export const golden: Manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")) as Manifest;

/** All that can be met: Pillow's clipping of 16-bit grey is a quirk that no one wants, see the goldens' README. */
export const goldenCases: readonly GoldenCase[] = golden.cases.filter(
  ({ mode, variant }) => !(mode === "I" && variant === "as-is"),
);

export function goldenPath(name: string): string {
  return fileURLToPath(new URL(name, folder));
}

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)));
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Pillow's pixels, `[height, width, 3]`, in base64; of a large picture their digest only. */
interface GoldenAnswer {
  readonly size: Pair;
  readonly rgb?: string;
  readonly sha256?: string;
}

interface RecordedPicture extends GoldenAnswer {
  readonly name: string;
  readonly file: string;
  /** Turned as its EXIF data says, where it has any. */
  readonly upright?: GoldenAnswer;
}

interface GoldenPicture extends RecordedPicture {
  readonly bytes: Uint8Array;
}

const formats = new URL("../../golden/formats/pictures.json", import.meta.url);
const recorded = JSON.parse(readFileSync(formats, "utf8")) as { readonly pictures: readonly RecordedPicture[] };

/** The files of golden/formats/make.py: small files of every format and kind. */
export const goldenPictures: readonly GoldenPicture[] = recorded.pictures.map(withBytes);

/** The file of that name. */
export function picture(name: string): Uint8Array {
  return goldenPictures.find((each) => each.name === name)!.bytes;
}

/** The files of golden/codings/make.py: a JPEG, WebP or PNG file for each way to code pixels. */
export const codedPictures: readonly CodedPicture[] = coded.pictures.map(withBytes);

/** JPEG files that sharp alone decodes. */
export const codedForSharp: readonly CodedPicture[] = coded.sharpAlone.map(withBytes);

interface CodedPicture {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Width and height. */
  readonly size: readonly number[];
  /** From Pillow's pixels. */
  readonly sha256: string;
}

function withBytes<Recorded extends { readonly file: string }>(
  each: Recorded,
): Recorded & { readonly bytes: Uint8Array } {
  return { ...each, bytes: new Uint8Array(Buffer.from(each.file, "base64")) };
}
