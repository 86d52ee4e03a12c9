import { stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { freeName } from "@residual/core";
import { pathOf } from "@residual/kit/bytes";
import { checkPlace, makeFolder, writeAtomic } from "@residual/kit/files";
import type { ClassActivation } from "@residual/pipeline";
import { type EncodedFormat, encodeImage, overlayCam } from "@residual/vision";
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { checkNamed } from "../out-path.ts";

const formats: { readonly [ending: string]: EncodedFormat } = {
  ".png": "png",
  ".jpg": "jpeg",
  ".jpeg": "jpeg",
  ".webp": "webp",
};

const formatOf = (path: string): EncodedFormat | undefined => formats[extname(path).toLowerCase()];

/**
 * The path of each picture's map, checked before work is done: a file for one picture, or a folder (made if missing)
 * with a PNG for each picture. Throws UsageError for another file extension, for one file with many pictures, and for a
 * file that is one of the pictures; FormatError if the path cannot be written.
 */
export async function camPaths(to: string, pictures: readonly string[]): Promise<readonly string[]> {
  checkNamed(to, "--cam");
  const ending = extname(to);
  const isFolder = to.endsWith("/") || ending === "" || (await stat(to).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder && formatOf(to) === undefined)
    throw new UsageError(`--cam ${to} ends in ${ending}; expected .png, .jpg, .webp, or no ending for a folder`);
  if (!isFolder && pictures.length > 1)
    throw new UsageError(`--cam ${to} is one file for ${pictures.length} pictures; give a folder, as --cam maps/`);
  const taken = new Set<string>();
  const named = pictures.map((picture) => join(to, `${freeName(stemOf(picture), taken)}.png`));
  const paths = isFolder ? named : [to];
  await checkNoPicture(paths, pictures);
  if (isFolder) await makeFolder(to);
  else await checkPlace(to);
  return paths;
}

/** `cat` of `photos/cat.png` and of `https://…/cat.png?size=2`; `stdin` of `-`. */
function stemOf(picture: string): string {
  if (picture === "-") return "stdin";
  const path = /^[a-z]{2,}:/i.test(picture) && URL.canParse(picture) ? new URL(picture).pathname : picture;
  const name = basename(path);
  return basename(name, extname(name)) || "picture";
}

async function checkNoPicture(paths: readonly string[], pictures: readonly string[]): Promise<void> {
  const given = await Promise.all(pictures.map(async (picture) => (picture === "-" ? undefined : pathOf(picture))));
  const sources = new Set(given.flatMap((path) => (path === undefined ? [] : resolve(path))));
  const over = paths.find((path) => sources.has(resolve(path)));
  if (over !== undefined)
    throw new UsageError(`--cam would write over the picture ${over}; give another name or folder`);
}

/** Draws a map over its picture, and writes it. */
export async function writeCam(path: string, cam: ClassActivation, { signal }: Context): Promise<void> {
  await writeAtomic([{ path, pieces: [await encodeImage(overlayCam(cam), formatOf(path))] }], { signal });
}
