import { closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { readBytes } from "@residual/kit/bytes";
import { ChangedError } from "../errors.ts";
import type { Item } from "../job.ts";
import type { Manifest } from "../manifest.ts";
import { fetchPicture, isUrl } from "./fetch-picture.ts";

/** The most bytes of a picture's file. */
const MOST_BYTES = 256 << 20;

/** Tells where pictures are. */
type Place = Pick<Manifest, "folder" | "endpoint">;

/** The bytes of a picture by its name. Throws FetchError and errors of `readBytes`. */
export function pictureBytes(image: string, { folder, endpoint }: Place): Promise<Uint8Array> {
  const limits = { maxBytes: MOST_BYTES, expected: "an image file", name: image };
  return isUrl(image) ? fetchPicture(image, { ...limits, endpoint }) : readBytes(resolve(folder, image), limits);
}

/**
 * The bytes of a picture of a frozen list. Throws ChangedError for a file that is not the one of the list, and as
 * `pictureBytes` does.
 */
export async function readPicture(item: Item, place: Place): Promise<Uint8Array> {
  const whole = readListed(item, place);
  if (whole) return whole;
  const bytes = await pictureBytes(item.image, place);
  if (isUrl(item.image)) return bytes;
  const found = await stat(resolve(place.folder, item.image)); // after reading: a write during it shows too
  if (found.size !== item.bytes || found.mtimeMs !== item.modified) throw changed(item, found);
  return bytes;
}

/**
 * The bytes of a file that is as the list says; undefined for all else, which is then read with reasons. In four calls
 * that wait for the disk: a call through Node's pool of threads takes as long as the model takes for a small picture.
 */
function readListed({ image, bytes, modified }: Item, { folder }: Place): Uint8Array | undefined {
  if (isUrl(image) || bytes === undefined || bytes > MOST_BYTES) return undefined;
  const path = resolve(folder, image);
  try {
    const found = Buffer.allocUnsafeSlow(bytes);
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would wait for its writer
    try {
      if (readSync(file, found) < bytes) return undefined;
    } finally {
      closeSync(file);
    }
    const { size, mtimeMs } = statSync(path); // after reading: a write during it shows too
    return size === bytes && mtimeMs === modified ? found : undefined;
  } catch {
    return undefined;
  }
}

function changed(
  { image, bytes, modified }: Item,
  found: { readonly size: number; readonly mtime: Date },
): ChangedError {
  const then = bytes === undefined ? "was missing" : `had ${bytes} bytes of ${new Date(modified!).toISOString()}`;
  return new ChangedError(
    `${image}: it ${then} when the job was prepared, and has ${found.size} bytes of ${found.mtime.toISOString()}; ` +
      "run the job again with another out for the new file",
  );
}
