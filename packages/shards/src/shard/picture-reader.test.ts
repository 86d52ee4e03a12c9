import { stat } from "node:fs/promises";
import { join } from "node:path";
import { photos } from "@residual/kit/testing/folder";
import { decodeImage, preprocess } from "@residual/vision";
import { afterAll, expect, it } from "vitest";
import type { Item } from "../job.ts";
import type { Found } from "./picture-batches.ts";
import { PictureReader } from "./picture-reader.ts";

const preprocessing = {
  resize: 40,
  crop: 32,
  interpolation: "bilinear",
  scale: 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
} as const;
const options = { batch: 2, preprocessing, maxPixels: null, folder: photos, endpoint: null };
const reader = new PictureReader(options);
afterAll(() => reader[Symbol.asyncDispose]());

async function listed(...names: readonly string[]): Promise<readonly Item[]> {
  return Promise.all(
    names.map(async (image) => {
      const { size, mtimeMs } = await stat(join(photos, image));
      return { image, bytes: size, modified: mtimeMs };
    }),
  );
}

async function imageOf(name: string): Promise<readonly number[]> {
  return Array.from(preprocess(await decodeImage(join(photos, name)), preprocessing).data);
}

/** Copies, since a batch's memory is used again. */
async function all(items: readonly Item[]) {
  const batches: { pictures: readonly Found[]; data: readonly number[] }[] = [];
  for await (const { pictures, data } of reader.batches(items)) batches.push({ pictures, data: Array.from(data) });
  return batches;
}

it("gives batches in the order of the list, with errors beside the images and zeros after the last", async () => {
  const items = await listed("chelsea.png", "coffee.png", "rocket.jpg");
  const [first, second, ...more] = await all([items[0]!, { image: "missing.png" }, items[1]!, items[2]!]);
  expect(more).toEqual([]);
  expect(first!.pictures.map(({ error }) => error?.code)).toEqual([undefined, "FormatError", undefined]);
  expect(first!.data).toEqual([...(await imageOf("chelsea.png")), ...(await imageOf("coffee.png"))]);
  expect(second!.pictures).toMatchObject([{ image: "rocket.jpg" }]);
  expect(second!.data).toEqual([...(await imageOf("rocket.jpg")), ...Array<number>(3 * 32 * 32).fill(0)]);
});

it("a list of errors alone has one batch, of zeros", async () => {
  await all(await listed("chelsea.png", "coffee.png", "rocket.jpg")); // leaves its pixels in the memory
  const [only, ...more] = await all([
    { image: "missing-1.png" },
    { image: "missing-2.png" },
    { image: "missing-3.png" },
  ]);
  expect(more).toEqual([]);
  expect(only!.pictures).toHaveLength(3);
  expect(only!.data.every((value) => value === 0)).toBe(true);
});

it("a list that is given up, or whose pictures fail to be read at all, leaves nothing to the next", async () => {
  const many = await listed(...Array<string>(12).fill("coffee.png"));
  for await (const _ of reader.batches(many)) break;
  await expect(all([null as unknown as Item])).rejects.toThrow();
  const [batch, ...more] = await all(await listed("rocket.jpg"));
  expect(more).toEqual([]);
  expect(batch!.pictures).toMatchObject([{ image: "rocket.jpg" }]);
});
