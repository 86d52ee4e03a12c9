import { expect, it } from "vitest";
import { packedTaps } from "./packed-taps.ts";

it("packs starts, numbers of pairs, and weights in two parts of 15 bits, filled up with zeros", () => {
  const { bytes, stride } = packedTaps({
    start: Int32Array.of(5, 258),
    length: Int32Array.of(3, 1),
    weight: Int32Array.of(-1, 0x8003, 0x400000, 0, 2, 0, 0, 0),
    stride: 4,
  });
  expect(stride).toBe(24);
  const [start, pairs] = [
    [5, 0, 0, 0],
    [2, 0, 0, 0],
  ];
  const low01 = [0xff, 0x7f, 3, 0]; // −1 is 32767 − 2¹⁵
  const high01 = [0xff, 0xff, 1, 0];
  const low23 = [0, 0, 0, 0];
  const high23 = [0x80, 0, 0, 0]; // 2²² is 128 · 2¹⁵
  const second = [2, 1, 0, 0, 1, 0, 0, 0, 2, 0, ...Array<number>(14).fill(0)];
  expect([...bytes]).toEqual([start, pairs, low01, high01, low23, high23, second].flat());
});
