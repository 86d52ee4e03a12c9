import { deflateRawSync, deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { inflate } from "./inflate.ts";

const refuse = (reason: string): never => {
  throw new Error(reason);
};

it.each([0, 1, 8191, 8192, 8193, 300_000])("gives the %i bytes that zlib packed", async (length) => {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * i) >> 3);
  expect(await inflate(deflateSync(bytes), "deflate", length, refuse)).toEqual(bytes);
  expect(await inflate(deflateRawSync(bytes), "deflate-raw", length, refuse)).toEqual(bytes);
});

describe("refuses", () => {
  const packed = deflateSync(new Uint8Array(1000));

  it.each([
    ["more bytes than expected", packed, 999, "its compressed data are more than 999 bytes"],
    ["fewer bytes than expected", packed, 1001, "its compressed data are 1000 bytes, expected 1001"],
    ["damaged data", packed.with(-1, packed.at(-1)! ^ 1), 1000, "its compressed data are damaged"],
    ["cut data", packed.subarray(0, -4), 1000, "its compressed data are damaged"],
  ])("%s", async (_, bytes, size, words) => {
    await expect(inflate(bytes, "deflate", size, refuse)).rejects.toThrow(words);
  });

  it("a size that no data of this length reach, before memory is allocated for it", async () => {
    const words = `its compressed data are ${packed.length} bytes, too few for ${2 ** 40}`;
    await expect(inflate(packed, "deflate", 2 ** 40, refuse)).rejects.toThrow(words);
  });

  it("a bomb, without memory for more than the expected size", async () => {
    const bomb = deflateSync(new Uint8Array(200e6));
    const before = process.memoryUsage.rss();
    await expect(inflate(bomb, "deflate", 1e6, refuse)).rejects.toThrow("more than 1000000 bytes");
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
  });
});
