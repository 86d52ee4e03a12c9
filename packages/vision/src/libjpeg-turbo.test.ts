import { expect, it } from "vitest";
import { keepCodec, takeCodec } from "./libjpeg-turbo.ts";

// compared by `===`: a failure of toBe would print the memories of both codecs, and run out of its own

it("a codec has one user at a time, and is used again once it is kept", async () => {
  const [first, second] = [await takeCodec("use sharp"), await takeCodec("use sharp")];
  expect(second === first).toBe(false);
  keepCodec(first);
  expect((await takeCodec("use sharp")) === first).toBe(true);
  expect((await takeCodec("use sharp")) === first).toBe(false);
});

it("a codec whose memory has grown is not used again", async () => {
  const codec = await takeCodec("use sharp");
  const grown = { ...codec, HEAPU8: new Uint8Array(codec.HEAPU8.length + 65_536) };
  keepCodec(grown);
  expect((await takeCodec("use sharp")) === grown).toBe(false);
});
