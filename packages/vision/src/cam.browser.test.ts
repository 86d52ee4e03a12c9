import { tensor } from "@residual/core";
import { expect, it } from "vitest";
import { decodeImage, encodeImage, overlayCam } from "./browser.ts";
import { randomBytes } from "./testing/random.ts";

it("a map over its picture is written as PNG, to the bit", async () => {
  const pixels = { width: 31, height: 20, data: randomBytes(31 * 20 * 3, 1) };
  const overlay = overlayCam({ pixels, map: tensor([2, 2], [1, 2, 3, 4]) });
  const { data, ...size } = await decodeImage(await encodeImage(overlay));
  expect(size).toEqual({ width: 31, height: 20 });
  expect([...data]).toEqual([...overlay.data].filter((_, i) => i % 4 !== 3));
});
