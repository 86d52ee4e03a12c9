import { FormatError, UnsupportedError } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeImage } from "./decode-node.ts";
import { imageFormatOf } from "./image-format.ts";
import { goldenPictures, picture, sha256 } from "./testing/golden.ts";
import { randomBytes, seeded } from "./testing/random.ts";

describe("Pillow's pixels, made by golden/formats/make.py", () => {
  it.each(goldenPictures)("$name", async ({ bytes, size, rgb, sha256: digest }) => {
    const { width, height, data } = await decodeImage(bytes);
    expect([width, height]).toEqual(size);
    if (rgb) expect([...data]).toEqual([...Buffer.from(rgb, "base64")]);
    else expect(sha256(data)).toBe(digest);
  });

  it.each(goldenPictures.filter(({ upright }) => upright))("$name, upright", async ({ bytes, upright }) => {
    const { width, height, data } = await decodeImage(bytes, { upright: true });
    expect([width, height]).toEqual(upright!.size);
    expect(upright!.rgb ? Buffer.from(data).toString("base64") : sha256(data)).toBe(upright!.rgb ?? upright!.sha256);
  });

  it.each(goldenPictures.filter(({ name }) => /^tiff-.*orientation/.test(name)))(
    "$name is turned once, upright or not",
    async ({ bytes }) => expect(await decodeImage(bytes, { upright: true })).toEqual(await decodeImage(bytes)),
  );
});

async function refusal(bytes: Uint8Array): Promise<{ code: string; message: string }> {
  const error = await decodeImage(bytes, { maxPixels: 1e6 }).catch((thrown: unknown) => thrown);
  expect(error).toSatisfy((thrown) => thrown instanceof FormatError || thrown instanceof UnsupportedError);
  const { code, message } = error as FormatError;
  expect(message.length).toBeLessThan(1000);
  return { code, message };
}

/** One picture of each format, of which all bytes count. */
const whole = ["gif", "bmp-24", "bmp-rle8", "ppm", "pgm-plain", "pbm", "tiff-lzw", "tiff-rgb-tiles-orientation-6"];

describe("cut and damaged", () => {
  it.each(whole)("%s, cut anywhere behind its mark, is an error", async (name) => {
    const bytes = picture(name);
    const random = seeded(name.length);
    const end = name.startsWith("gif") ? 3 : name.startsWith("pgm") ? 4 : 1; // what ends a file may be missing
    const cuts = Array.from({ length: 40 }, () => 8 + random(bytes.length - 8 - end));
    for (const cut of cuts) await refusal(bytes.subarray(0, cut));
  });

  it.each([...whole, "tiff-associated-alpha-16", "tiff-bigtiff", "gif-animation-disposal-2", "bmp-32-alpha-v5"])(
    "%s, mutated, decodes or is an error of ours",
    async (name) => {
      const [source, random] = [picture(name), seeded(name.length + 7)];
      const outcomes = { decoded: 0, refused: 0 };
      for (let i = 0; i < 150; i++) {
        const bytes = source.slice();
        const reach = i % 2 === 0 ? Math.min(60, bytes.length) : bytes.length;
        for (let changes = 1 + random(3); changes > 0; changes--) bytes[random(reach)] = random(256);
        const outcome = await decodeImage(bytes, { maxPixels: 1e6 }).then(
          ({ width, height, data }) => (data.length === width * height * 3 ? "decoded" : "of a wrong size"),
          (error: unknown) =>
            error instanceof FormatError || error instanceof UnsupportedError ? "refused" : String(error),
        );
        expect(outcome).toMatch(/^(decoded|refused)$/);
        outcomes[outcome as "decoded"]++;
      }
      expect(outcomes.decoded * outcomes.refused).toBeGreaterThan(0); // the mutations do reach what matters
    },
  );
});

describe("what is well formed and not read says what it is", () => {
  const tagged = (tag: number, value: number) => {
    const bytes = picture("tiff-rgb-strips-orientation-1").slice();
    const view = new DataView(bytes.buffer);
    const first = view.getUint32(4, true);
    for (let at = first + 2; at < first + 2 + 12 * view.getUint16(first, true); at += 12) {
      if (view.getUint16(at, true) === tag) view.setUint16(at + 8, value, true);
    }
    return bytes;
  };

  it.each([
    [8, "CIE L*a*b*"],
    [9, "ICC L*a*b*"],
    [10, "ITU L*a*b*"],
    [32803, "a camera's raw data"],
  ])("a TIFF of photometric %i", async (photometric, words) => {
    const { code, message } = await refusal(tagged(262, photometric));
    expect(code).toBe("UnsupportedError");
    expect(message).toContain(words);
  });

  it("a TIFF's compression that libtiff knows of and was not built with", async () => {
    expect((await refusal(tagged(259, 34712))).code).toBe("UnsupportedError"); // JPEG 2000
  });

  it("a BMP of a kind of its own", async () => {
    const bytes = picture("bmp-24").slice();
    bytes[30] = 4; // BI_JPEG
    expect(await refusal(bytes)).toEqual({
      code: "UnsupportedError",
      message: "image: found a BMP of 24 bits with compression 4, expected one without; convert it to PNG",
    });
  });

  it.each([
    ["\0\0\0\x20ftypheic", "HEIC", "sips -s format jpeg"],
    ["\0\0\0\x20ftypmif1", "HEIC", "heif-convert"],
    ["\0\0\0\x20ftypavif", "AVIF", "convert it to PNG"],
    ["\0\0\0\x20ftypisom", "a video", "give a picture of it"],
    ["\xff\x0a", "JPEG XL", "convert it to PNG"],
    ["\0\0\x01\0\x01\0", "an icon", "convert it to PNG"],
    ["<!DOCTYPE html>", "an HTML page", "the address of the picture itself"],
  ])("%j is %s", (start, found, wayOut) => {
    const bytes = Uint8Array.from(start, (char) => char.charCodeAt(0));
    expect(() => imageFormatOf(bytes)).toThrow(`found ${found}`);
    expect(() => imageFormatOf(bytes)).toThrow(wayOut);
  });
});

describe("uncompressed files of any size and depth give back what went in", () => {
  const sides = { width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 12 }) };
  const pictures = fc
    .record({ ...sides, seed: fc.nat() })
    .map(({ width, height, seed }) => ({ width, height, data: randomBytes(width * height * 3, seed) }));

  it("PPM", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, async ({ width, height, data }) => {
        const file = Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), data]);
        expect(await decodeImage(file)).toEqual({ width, height, data });
      }),
    );
  });

  it("PPM as text", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, async ({ width, height, data }) => {
        const file = Buffer.from(`P3 ${width} ${height} 255 ${data.join(" ")}`);
        expect(await decodeImage(file)).toEqual({ width, height, data });
      }),
    );
  });

  it("BMP of 24 bits, from the bottom or from the top", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.boolean(), async ({ width, height, data }, topDown) => {
        expect(await decodeImage(bmp24(width, height, data, topDown))).toEqual({ width, height, data });
      }),
    );
  });

  it("GIF with a palette of 256 colours, with and without interlacing", async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.boolean(), async ({ width, height, data }, interlaced) => {
        const indices = data.subarray(0, width * height);
        const expected = Uint8Array.from({ length: data.length }, (_, i) => 255 - indices[Math.floor(i / 3)]!);
        expect((await decodeImage(gif(width, height, indices, interlaced))).data).toEqual(expected);
      }),
    );
  });
});

function bmp24(width: number, height: number, data: Uint8Array, topDown: boolean): Uint8Array {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(54 + stride * height);
  file.write("BM");
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(topDown ? -height : height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) {
    const row = topDown ? y : height - 1 - y;
    for (let x = 0; x < width; x++) {
      for (let colour = 0; colour < 3; colour++) {
        file[54 + row * stride + x * 3 + 2 - colour] = data[(y * width + x) * 3 + colour]!;
      }
    }
  }
  return file;
}

/** A GIF whose colour i is the grey 255 - i. Its codes are 9 bits long: the table is cleared before they grow. */
function gif(width: number, height: number, indices: Uint8Array, interlaced: boolean): Uint8Array {
  const passes = [0, 4, 2, 1].map((first, pass) => ({ first, step: [8, 8, 4, 2][pass]! }));
  const inTurn = passes.flatMap(({ first, step }) =>
    Array.from({ length: Math.max(0, Math.ceil((height - first) / step)) }, (_, i) => first + i * step),
  );
  const rows = interlaced ? inTurn : Array.from({ length: height }, (_, y) => y);
  const stream = rows.flatMap((y) => [...indices.subarray(y * width, (y + 1) * width)]);
  const codes = [...stream.flatMap((index, i) => (i % 200 === 0 ? [256, index] : [index])), 257];
  const bits = codes.flatMap((code) => Array.from({ length: 9 }, (_, bit) => (code >> bit) & 1));
  const bytes = Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) =>
    Array.from({ length: 8 }, (_, bit) => (bits[i * 8 + bit] ?? 0) << bit).reduce((sum, bit) => sum + bit, 0),
  );
  const u16 = (value: number) => [value & 255, value >> 8];
  const head = [...Buffer.from("GIF87a"), ...u16(width), ...u16(height), 0xf7, 0, 0];
  const palette = Array.from({ length: 768 }, (_, i) => 255 - Math.floor(i / 3));
  const image = [0x2c, 0, 0, 0, 0, ...u16(width), ...u16(height), interlaced ? 0x40 : 0, 8];
  const blocks = Array.from({ length: Math.ceil(bytes.length / 255) }, (_, i) => bytes.slice(i * 255, (i + 1) * 255));
  return Uint8Array.from([
    ...head,
    ...palette,
    ...image,
    ...blocks.flatMap((block) => [block.length, ...block]),
    0,
    0x3b,
  ]);
}

describe("bounds, by the header, before any allocation", () => {
  const sized: readonly (readonly [string, () => Uint8Array])[] = [
    ["gif", () => withU16(picture("gif"), [6, 65_535], [8, 65_535])],
    ["a gif's frame", () => withU16(picture("gif-frame-beyond-screen"), [48, 65_535], [50, 65_535])],
    ["bmp", () => withU16(picture("bmp-24"), [18, 65_535], [22, 65_535])],
    ["ppm", () => Buffer.from("P6 65535 65535 255\n")],
    ["pgm-plain", () => Buffer.from("P2 65535 65535 255\n1 2 3")],
  ];
  it.each(sized)("%s", async (_, make) => {
    const before = process.memoryUsage().arrayBuffers;
    expect((await refusal(make())).message).toMatch(/found \d+ x \d+, \d+ pixels, expected at most 1000000; shrink it/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10e6);
  });

  it("and a file that cannot hold what its header claims is cut, before its pixels have room", async () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const text of ["P6 13000 13000 255\n", "P3 13000 13000 255\n1", "P4 13000 13000\n"]) {
      await expect(decodeImage(Buffer.from(text))).rejects.toThrow("the file is cut");
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10e6);
  });

  it.each(["P2 2 1 255\n7 300", "P3 1 1 100\n1 2 101", "P2 1 1 300\n65536"])(
    "and %j has a sample above its maximum, which Pillow refuses as well",
    async (text) => {
      await expect(decodeImage(Buffer.from(text))).rejects.toThrow(FormatError);
      await expect(decodeImage(Buffer.from(text))).rejects.toThrow(/found a sample of \d+, expected at most \d+;/);
    },
  );

  it("the limit is Pillow's own", async () => {
    await expect(decodeImage(Buffer.from("P6 17895697 10 255\n"))).rejects.toThrow("the file is cut");
    await expect(decodeImage(Buffer.from("P6 178956971 1 255\n"))).rejects.toThrow("expected at most 178956970");
  });
});

function withU16(bytes: Uint8Array, ...changes: readonly (readonly [at: number, value: number])[]): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of changes) new DataView(copy.buffer).setUint16(at, value, true);
  return copy;
}

describe("tiles, whose errors libvips passes over", () => {
  it.each(["tiff-tiles-deflate", "tiff-tiles-deflate-big-endian", "tiff-tiles-planar", "tiff-tiles-bigtiff"])(
    "%s with a byte changed in its data is refused, but where libtiff does not look at zlib's checksum",
    async (name) => {
      const [source, random] = [picture(name), seeded(name.length)];
      let refused = 0;
      for (let i = 0; i < 30; i++) {
        const bytes = source.slice();
        const at = 600 + random(bytes.length - 600);
        bytes[at] = bytes[at]! ^ (1 + random(255));
        await decodeImage(bytes).catch((error: unknown) => {
          expect(error).toBeInstanceOf(FormatError);
          refused++;
        });
      }
      expect(refused).toBeGreaterThan(25);
    },
  );

  it("a wrong number of tiles, and tiles that are larger than any memory", async () => {
    const changed = (tag: number, value: number) => {
      const bytes = picture("tiff-tiles-deflate").slice();
      const view = new DataView(bytes.buffer);
      const first = view.getUint32(4, true);
      for (let at = first + 2; at < first + 2 + 12 * view.getUint16(first, true); at += 12) {
        if (view.getUint16(at, true) === tag) view.setUint32(at + 8, value, true);
      }
      return bytes;
    };
    expect((await refusal(changed(322, 32))).message).toContain("found 6 tiles, expected 4 for 37 x 21 pixels");
    expect((await refusal(changed(322, 0))).message).toContain("found 6 tiles");
    const huge = changed(322, 60_000);
    expect((await refusal(huge)).message).toContain("found 6 tiles, expected 2");
  });
});
