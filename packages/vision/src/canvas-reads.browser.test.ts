import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { decodeImage, encodeImage } from "./browser.ts";

declare function createImageBitmap(source: unknown): Promise<{ width: number; height: number; close(): void }>;
declare class OffscreenCanvas {
  readonly width: number;
  readonly height: number;
  constructor(width: number, height: number);
  getContext(kind: "2d"): { fillRect(x: number, y: number, width: number, height: number): void };
  convertToBlob(): Promise<Blob>;
}
declare class OffscreenCanvasRenderingContext2D {
  getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
}

// a browser that changes the lowest bit of some samples that are read, as against fingerprinting
const { prototype } = OffscreenCanvasRenderingContext2D;
const { getImageData } = Object.getOwnPropertyDescriptors(prototype);
const read = getImageData.value!;
beforeAll(() => {
  vi.spyOn(prototype, "getImageData").mockImplementation(function (this: typeof prototype, ...area) {
    const image = read.apply(this, area);
    for (let i = 0; i < image.data.length; i += 400) image.data[i]! ^= 1;
    return image;
  });
});
afterAll(() => vi.restoreAllMocks());

it("a canvas whose pixels the browser changes is refused, and its file is not", async () => {
  const canvas = new OffscreenCanvas(4, 3);
  canvas.getContext("2d").fillRect(0, 0, 4, 3);
  const words = "image: this browser changes the pixels that are read from a canvas";
  for (const source of [canvas, await createImageBitmap(canvas)]) {
    await expect(decodeImage(source)).rejects.toThrow(words);
    await expect(decodeImage(source)).rejects.toThrow("give the picture's file instead");
  }
  expect(await decodeImage(await canvas.convertToBlob())).toEqual({ width: 4, height: 3, data: new Uint8Array(36) });
  const image = { width: 1, height: 1, data: new Uint8Array(4) };
  await expect(encodeImage(image)).rejects.toThrow(/changes the pixels .*; exempt this site from that protection/);
});
