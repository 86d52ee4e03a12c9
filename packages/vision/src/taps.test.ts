import { expect, it } from "vitest";
import { tapsOf } from "./taps.ts";

it("keeps the taps of the last axes, and tells all that make them apart", () => {
  const span = { from: 0, count: 5 };
  const taps = tapsOf(9, 7, span, "bilinear");
  expect(tapsOf(9, 7, { ...span }, "bilinear")).toBe(taps);
  const others = [
    tapsOf(8, 7, span, "bilinear"),
    tapsOf(9, 6, span, "bilinear"),
    tapsOf(9, 7, { from: 1, count: 5 }, "bilinear"),
    tapsOf(9, 7, { from: 0, count: 6 }, "bilinear"),
    tapsOf(9, 7, span, "bicubic"),
  ];
  expect(new Set([taps, ...others]).size).toBe(6);
  for (let source = 100; source < 120; source++) tapsOf(source, 7, span, "box");
  const again = tapsOf(9, 7, span, "bilinear");
  expect(again).not.toBe(taps);
  expect(again).toEqual(taps);
});
