import { expect, it } from "vitest";
import { rgbOfCmyk } from "./cmyk.ts";

it.each([
  // as Pillow 9.4 converts them
  [
    [0, 0, 0, 0],
    [255, 255, 255],
  ],
  [
    [255, 255, 255, 255],
    [0, 0, 0],
  ],
  [
    [10, 200, 77, 33],
    [213, 48, 155],
  ],
  [
    [128, 127, 1, 254],
    [0, 1, 1],
  ],
  [
    [99, 3, 250, 100],
    [95, 153, 3],
  ],
  [
    [255, 0, 128, 1],
    [0, 254, 127],
  ],
])("%j -> %j", (cmyk, rgb) => {
  expect([...rgbOfCmyk(Uint8Array.from([9, 9, 9, 9, ...cmyk]))].slice(3)).toEqual(rgb);
});
