import { FormatError, ShapeError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { decodeImage, decodeInto } from "./decode-node.ts";
import { preprocess } from "./preprocess.ts";
import { imagenet } from "./preprocessing.ts";
import { codedPictures, goldenCases, goldenPath } from "./testing/golden.ts";

const preprocessing = { ...imagenet, resize: 40, crop: 32 };
const size = 3 * 32 * 32;

/** Of several formats and sizes, JPEGs of one component and of four inks among them. */
const pictures = [
  ...codedPictures.map(({ bytes }) => bytes),
  ...new Set(goldenCases.map(({ image }) => goldenPath(image))),
];

describe("what decodeImage and preprocess give", () => {
  it("into parts of a batch, one after the other and several at a time", async () => {
    const expected = await Promise.all(
      pictures.map(async (each) => preprocess(await decodeImage(each), preprocessing)),
    );
    const batch = new Float32Array(pictures.length * size);
    const part = (at: number) => batch.subarray(at * size, (at + 1) * size);
    for (const [at, picture] of pictures.entries()) await decodeInto(picture, preprocessing, part(at));
    for (const [at, { data }] of expected.entries()) expect(part(at)).toEqual(data);
    batch.fill(0);
    await Promise.all(pictures.map((picture, at) => decodeInto(picture, preprocessing, part(at))));
    for (const [at, { data }] of expected.entries()) expect(part(at)).toEqual(data);
  });

  it("after a picture that failed", async () => {
    const { bytes } = codedPictures.find(({ name }) => name === "jpeg-2x2")!;
    const image = new Float32Array(size);
    await expect(decodeInto(bytes.subarray(0, bytes.length / 2), preprocessing, image)).rejects.toThrow(FormatError);
    await expect(decodeInto(bytes, preprocessing, new Float32Array(size + 1))).rejects.toThrow(ShapeError);
    await decodeInto(bytes, preprocessing, image);
    expect(image).toEqual(preprocess(await decodeImage(bytes), preprocessing).data);
  });

  it("upright as the preprocessing says, unless the options say otherwise, with the size", async () => {
    const { image: name } = goldenCases.find(({ variant }) => variant === "upright")!;
    const upright = await decodeImage(goldenPath(name), { upright: true });
    const asIs = await decodeImage(goldenPath(name));
    const image = new Float32Array(size);
    const turning = { ...preprocessing, upright: true };
    expect(await decodeInto(goldenPath(name), turning, image)).toEqual({
      width: upright.width,
      height: upright.height,
    });
    expect(image).toEqual(preprocess(upright, preprocessing).data);
    await decodeInto(goldenPath(name), turning, image, { upright: false });
    expect(image).toEqual(preprocess(asIs, preprocessing).data);
  });
});

it("leaves the pixels of decodeImage alone", async () => {
  const [first, second] = codedPictures.filter(({ name }) => name.startsWith("jpeg-2x")).map(({ bytes }) => bytes);
  const pixels = await decodeImage(first!);
  const before = pixels.data.slice();
  await decodeInto(second!, preprocessing, new Float32Array(size));
  expect(pixels.data).toEqual(before);
});
