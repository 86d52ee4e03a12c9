import { FormatError } from "@residual/core";
import type { RgbaImage } from "@residual/vision";
import { expect, inject, it } from "vitest";
import { backendNames, type Classifier, load } from "./index.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

/** The part of the DOM that is used here: the packages are checked without it. */
interface Bitmap {
  readonly width: number;
  readonly height: number;
}
declare function createImageBitmap(file: Blob, options: { readonly colorSpaceConversion: "none" }): Promise<Bitmap>;
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d"): {
    drawImage(image: Bitmap, x: number, y: number): void;
    getImageData(x: number, y: number, width: number, height: number): RgbaImage;
  };
}

/** A photo of the repository's as a page gets at its pixels. */
async function imageData(name: string): Promise<RgbaImage> {
  const file = await (await fetch(`/@fs${inject("repository")}photos/${name}`)).blob();
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** As in Node (load.test.ts): the card of the weights. */
async function expectCat(classifier: Classifier): Promise<void> {
  const [first] = await classifier.classify(await imageData("chelsea.png"));
  expect(first).toEqual({ label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number });
}

it("classifies in a browser, with the weights inside, which are fetched", async () => {
  await using classifier = await load({ backend: "reference" });
  expect(classifier).toMatchObject({ model: "cifar_resnet20", weights: "resnet20-cifar10" });
  await expectCat(classifier);
});

it("on the best backend that is there", async () => {
  await using classifier = await load();
  expect(backendNames).toContain(classifier.backend.name);
  await expectCat(classifier);
});

it("refuses a file, which a browser does not have, as an unknown name", async () => {
  await expect(load({ weights: "mine.safetensors", backend: "reference" })).rejects.toThrow(FormatError);
});
