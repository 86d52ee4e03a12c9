import { FormatError } from "@residual/core";
import { expect, it, vi } from "vitest";
import { withoutSharp } from "./decode-node.ts";
import { decodeJpeg } from "./jpeg.ts";
import { newMemory } from "./pixel-memory.ts";
import { goldenBytes } from "./testing/golden.ts";

/** The size that the codec answers, whatever the file is. */
const answered = vi.hoisted(() => ({ width: 0, height: 0 }));

vi.mock(import("./libjpeg-turbo.ts"), async (original) => {
  class JPEGDecoder {
    getEncodedBuffer = (length: number) => new Uint8Array(length);
    decode(): void {}
    getFrameInfo = () => ({ ...answered, componentCount: 3 });
    getDecodedBuffer = () => new Uint8Array(answered.width * answered.height * 3);
    delete(): void {}
  }
  return { ...(await original()), takeCodec: async () => ({ JPEGDecoder, HEAPU8: new Uint8Array(0) }) };
});

it.each([
  [361, 270],
  [360, 269],
])("a codec's picture of %i x %i, where the header has 360 x 270, is refused", async (width, height) => {
  const [file, options] = [
    goldenBytes("images/jpeg444-360x270.jpg"),
    { upright: false, maxPixels: 1e6, platform: withoutSharp(""), allocate: newMemory },
  ];
  Object.assign(answered, { width: 360, height: 270 });
  expect(await decodeJpeg(file, options)).toMatchObject({ width: 360, height: 270 });
  Object.assign(answered, { width, height });
  await expect(decodeJpeg(file, options)).rejects.toThrow(FormatError);
  await expect(decodeJpeg(file, options)).rejects.toThrow(`found ${width} x ${height} pixels, expected 360 x 270`);
});
