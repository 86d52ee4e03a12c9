import { ShapeError } from "@residual/core";
import { expect, it } from "vitest";
import { pixelsOfRgba } from "./pixels.ts";

it("drops alpha and keeps the colour under it", () => {
  const data = Uint8ClampedArray.of(1, 2, 3, 0, 250, 251, 252, 128);
  expect(pixelsOfRgba({ width: 2, height: 1, data })).toEqual({
    width: 2,
    height: 1,
    data: Uint8Array.of(1, 2, 3, 250, 251, 252),
  });
});

it("P1: refuses data of another size", () => {
  const act = () => pixelsOfRgba({ width: 2, height: 1, data: new Uint8Array(6) });
  expect(act).toThrow(ShapeError);
  expect(act).toThrow(/^2 x 1 x 4 bytes expected, found 6.*\(pixels\.P1\)$/);
});
