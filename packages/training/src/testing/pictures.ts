import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeImage, type Pixels } from "@residual/vision";

/** Writes PNG files, by their path in the folder; a text instead of pixels becomes a file that is no picture. */
export async function writePictures(
  folder: string,
  files: { readonly [path: string]: Pixels | string },
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), typeof content === "string" ? content : await png(content));
  }
}

async function png({ width, height, data }: Pixels): Promise<Uint8Array> {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(i * 3, i * 3 + 3), i * 4);
  return encodeImage({ width, height, data: rgba });
}
