import { FormatError } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LabelledPixels, readCifar10 } from "./cifar10-file.ts";
import { randomBytes } from "./testing/random.ts";

/** The format written the other way round: a label, then three planes. */
function write(images: readonly LabelledPixels[]): Uint8Array {
  const planes = (data: Uint8Array) =>
    [0, 1, 2].flatMap((channel) => Array.from(data.filter((_, i) => i % 3 === channel)));
  return Uint8Array.from(images.flatMap(({ label, pixels }) => [label, ...planes(pixels.data)]));
}

it("reads labels and planes in order", () => {
  const bytes = new Uint8Array(3073);
  bytes.set([7, 10, 11]); // label, then the first two reds
  bytes[1 + 1024] = 20; // first green
  bytes[3072] = 30; // last blue
  const [image] = readCifar10(bytes);
  expect(image?.label).toBe(7);
  expect([...image!.pixels.data.subarray(0, 6)]).toEqual([10, 20, 0, 11, 0, 0]);
  expect(image!.pixels.data.at(-1)).toBe(30);
});

it("what was written comes back", () => {
  const image = fc.record({ label: fc.nat(9), seed: fc.nat() }).map(({ label, seed }) => ({
    label,
    pixels: { width: 32, height: 32, data: randomBytes(3072, seed) },
  }));
  fc.assert(
    fc.property(fc.array(image, { minLength: 1, maxLength: 4 }), (images) => {
      expect(readCifar10(write(images))).toEqual(images);
    }),
    { numRuns: 25 },
  );
});

it("copies: a change of the file's bytes afterwards changes no image", () => {
  const bytes = new Uint8Array(3073);
  const [image] = readCifar10(bytes);
  bytes.fill(9);
  expect(image?.pixels.data.every((byte) => byte === 0)).toBe(true);
});

describe("refused", () => {
  it.each([0, 1, 3072, 3074, 2 * 3073 - 1])("%i bytes", (length) => {
    expect(() => readCifar10(new Uint8Array(length))).toThrow(FormatError);
    expect(() => readCifar10(new Uint8Array(length))).toThrow(`found ${length} bytes, expected whole records of 3073`);
  });

  it("a label above 9, naming the image", () => {
    const bytes = new Uint8Array(3 * 3073);
    bytes[2 * 3073] = 10;
    expect(() => readCifar10(bytes)).toThrow(FormatError);
    expect(() => readCifar10(bytes)).toThrow("found label 10 on image 2, expected 0 to 9");
  });
});
