import { crc32, deflateSync } from "node:zlib";
import { BackendUnavailableError, FormatError, OutOfMemoryError } from "@residual/core";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage, decoderBy } from "./decode-node.ts";
import { jpegFrame } from "./jpeg-frame.ts";
import type { Pixels } from "./pixels.ts";
import { decodePortably } from "./portable.ts";
import {
  codedForSharp,
  codedPictures,
  goldenBytes,
  goldenCases,
  goldenPictures,
  picture,
  sha256,
} from "./testing/golden.ts";
import { png } from "./testing/png.ts";
import { randomBytes, seeded } from "./testing/random.ts";

const whyNoSharp = "sharp is not installed; npm install sharp";

/** decodeImage as it is where sharp does not load. */
const decodeWithout = decoderBy((bytes, format, options) => decodePortably(bytes, format, { ...options, whyNoSharp }));

describe("Pillow's own pixels, without sharp as with it", () => {
  it.each(codedPictures)("$name", async ({ bytes, size: [width, height], sha256: digest }) => {
    for (const decode of [decodeWithout, decodeImage]) {
      const pixels = await decode(bytes);
      expect([pixels.width, pixels.height, sha256(pixels.data)]).toEqual([width, height, digest]);
    }
  });

  it.each(goldenCases)("$image, $variant", async ({ image, variant, decodedRgbSha256 }) => {
    const { data } = await decodeWithout(goldenBytes(image), { upright: variant === "upright" });
    expect(sha256(data)).toBe(decodedRgbSha256);
  });

  const others = goldenPictures.filter(({ name }) => !/^(tiff|webp)-|^jpeg-cmyk$/.test(name));
  it.each(others)("$name", async ({ bytes }) => {
    for (const upright of [false, true]) {
      expect(await decodeWithout(bytes, { upright })).toEqual(await decodeImage(bytes, { upright }));
    }
  });
});

describe("what sharp alone decodes is refused, with the way out", () => {
  const refused = [...codedForSharp, ...goldenPictures.filter(({ name }) => /^(tiff|webp)-|^jpeg-cmyk$/.test(name))];
  it.each(refused)("$name", async ({ bytes }) => {
    const error: unknown = await decodeWithout(bytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect((error as Error).message).toMatch(/^image: found .*, which sharp alone decodes; .*npm install sharp$/);
  });

  it.each(codedForSharp)("$name is Pillow's with sharp", async ({ bytes, sha256: digest }) => {
    expect(sha256((await decodeImage(bytes)).data)).toBe(digest);
  });

  it("a JPEG of 12 bits", async () => {
    const wide = goldenBytes("images/jpeg444-360x270.jpg").slice();
    wide[wide.findIndex((byte, at) => byte === 0xff && wide[at + 1] === 0xc0) + 4] = 12;
    await expect(decodeWithout(wide)).rejects.toThrow("found a JPEG of 12 bits, coded as SOF0, which sharp alone");
  });
});

it("random pictures, as sharp writes them", async () => {
  const sides = { width: fc.integer({ min: 1, max: 70 }), height: fc.integer({ min: 1, max: 70 }) };
  const jpegs = fc.record({
    format: fc.constant("jpeg" as const),
    quality: fc.integer({ min: 1, max: 100 }),
    chromaSubsampling: fc.constantFrom("4:4:4", "4:2:0"),
    progressive: fc.boolean(),
  });
  const pngs = fc.record({ format: fc.constant("png" as const), palette: fc.boolean(), progressive: fc.boolean() });
  const channels = fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const);
  await fc.assert(
    fc.asyncProperty(
      fc.record({ ...sides, channels, seed: fc.nat() }),
      fc.oneof(jpegs, pngs),
      async (size, options) => {
        const { width, height, seed } = size;
        const samples = randomBytes(width * height * size.channels, seed);
        const raw = sharp(samples, { raw: { width, height, channels: size.channels } });
        const file = new Uint8Array(await raw.toFormat(options.format, options).toBuffer());
        expect(await decodeWithout(file)).toEqual(await decodeImage(file));
      },
    ),
  );
});

async function refusal(bytes: Uint8Array, maxPixels?: number): Promise<string> {
  const error: unknown = await decodeWithout(bytes, { maxPixels }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(FormatError);
  return (error as FormatError).message;
}

describe("damaged files", () => {
  const jpeg = goldenBytes("images/jpeg420-exif6-360x270.jpg");
  const small = goldenBytes("images/tiny-40x31.png");

  it("a JPEG with stray bytes between its headers, and after it, is whole", async () => {
    const extra = Buffer.concat([jpeg.subarray(0, 20), Buffer.from([1, 2, 3]), jpeg.subarray(20), Buffer.from("end")]);
    expect(await decodeWithout(extra)).toEqual(await decodeImage(jpeg));
  });

  it("a JPEG with stray bytes behind its pixels is refused, and sharp named, which takes it", async () => {
    const extra = Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(20), jpeg.subarray(-2)]);
    expect(await decodeImage(extra)).toEqual(await decodeImage(jpeg));
    expect(await refusal(extra)).toMatch(
      /stray bytes, which sharp can tell apart; get .* use sharp \(.*npm install sharp\)$/,
    );
  });

  it("a codec that failed is not used again", async () => {
    const damaged = jpeg.slice();
    damaged.set([0xff, 0xd9], jpeg.length >> 1);
    await refusal(damaged);
    expect(await decodeWithout(jpeg)).toEqual(await decodeImage(jpeg));
  });

  it.each([1, 2, 20, 1000, jpeg.length >> 1])("a JPEG that lacks its last %i bytes", async (cut) => {
    await refusal(jpeg.subarray(0, -cut));
  });

  it.each([1, 20, 100, small.length >> 1])("a PNG that lacks its last %i bytes", async (cut) => {
    await refusal(small.subarray(0, -cut));
  });

  const mutable = [
    "png-type-3-8-interlaced",
    "png-palette-lacks-colours",
    "jpeg-2x2-progressive",
    "jpeg-arithmetic",
    "jpeg-restart",
  ];
  const sources = codedPictures.filter(({ name }) => mutable.includes(name));
  it.each(sources)(
    "$name, mutated 100 times, decodes or is a FormatError, as sharp refuses it",
    async ({ name, bytes }) => {
      const random = seeded(name.length);
      const outcomes = { decoded: 0, refused: 0 };
      for (let i = 0; i < 100; i++) {
        const mutated = bytes.slice();
        for (let changes = 1 + random(3); changes > 0; changes--) mutated[random(bytes.length)] = random(256);
        if (i % 2 === 0) mendChecksums(mutated); // else a PNG's give each change away
        const [found, known] = await Promise.all(
          [decodeWithout, decodeImage].map((decode) => outcomeOf(decode(mutated))),
        );
        expect(found).toMatch(/^(decoded|FormatError|BackendUnavailableError)$/);
        if (known !== "decoded") expect(found).not.toBe("decoded");
        outcomes[found === "decoded" ? "decoded" : "refused"]++;
      }
      expect(outcomes.decoded * outcomes.refused).toBeGreaterThan(0); // the mutations do reach what matters
    },
  );
});

/** Gives the chunks of a PNG the checksums of what they hold. A JPEG has none. */
function mendChecksums(file: Uint8Array): void {
  if (file[0] === 0xff) return;
  const view = new DataView(file.buffer);
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > file.length) return;
    view.setUint32(end, crc32(file.subarray(at + 4, end)));
    at = end + 4;
  }
}

function outcomeOf(decoding: Promise<Pixels>): Promise<string> {
  return decoding.then(
    ({ width, height, data }) => (data.length === width * height * 3 ? "decoded" : "of a wrong size"),
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
}

describe("a PNG that is well formed and no picture", () => {
  const base = { width: 2, height: 1, kind: "rgb", depth: 8, samples: new Uint8Array(6) } as const;
  const changed = (at: number, value: number) => {
    const file = Uint8Array.from(png(base));
    file[at] = value;
    new DataView(file.buffer).setUint32(29, crc32(file.subarray(12, 29)));
    return file;
  };

  it.each([
    ["a depth that its colours do not have", changed(24, 4), "found a header of 4 2 0 0 0, which no PNG has"],
    ["colours of no kind", changed(25, 5), "found a header of 8 5 0 0 0"],
    ["a compression of no kind", changed(26, 1), "found a header of 8 2 1 0 0"],
    ["an interlacing of no kind", changed(28, 2), "found a header of 8 2 0 0 2"],
    ["no palette", changed(25, 3), "found a PNG without the palette that it needs"],
    ["a damaged mark", Uint8Array.from(png(base), (byte, at) => (at === 6 ? 0 : byte)), "found a damaged mark"],
    ["no pixels' width", changed(19, 0), "found 0 x 1 pixels, expected at least 1 x 1"],
    ["fewer rows than its height", changed(23, 9), "found 7 bytes of pixels, expected 63; the file is cut"],
    ["more rows than its height", png({ ...base, samples: new Uint8Array(60) }), "found a damaged or cut PNG"],
  ])("%s", async (_, file, words) => expect(await refusal(file)).toContain(words));

  it("a filter of no kind", async () => {
    const file = withRows(png(base), Uint8Array.of(5, 0, 0, 0, 0, 0, 0));
    expect(await refusal(file)).toContain("found the filter 5, expected at most 4");
  });
});

/** The PNG with other rows, each behind the byte of its filter. */
function withRows(file: Uint8Array, rows: Uint8Array): Uint8Array {
  const named = Buffer.concat([Buffer.from("IDAT"), deflateSync(rows)]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(named.length - 4);
  checksum.writeUInt32BE(crc32(named));
  return Buffer.concat([file.subarray(0, 33), length, named, checksum, file.subarray(-12)]);
}

describe("bounds, before any allocation", () => {
  it("a size beyond maxPixels", async () => {
    const bomb = png({ width: 40_000, height: 40_000, kind: "rgb", depth: 8, samples: new Uint8Array(120_000) });
    expect(await refusal(bomb)).toContain("found 40000 x 40000, 1600000000 pixels, expected at most 178956970");
    expect(await refusal(picture("jpeg-420"), 100)).toContain("expected at most 100;");
  });

  it("rows that inflate to far more than the size has", async () => {
    const file = png({ width: 10, height: 10, kind: "rgb", depth: 8, samples: new Uint8Array(300) });
    const bomb = withRows(file, new Uint8Array(200e6));
    const before = process.memoryUsage.rss();
    expect(await refusal(bomb)).toContain("found a damaged or cut PNG (it holds more than 310 bytes of rows)");
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
  });

  it("more scans than any picture has", async () => {
    const file = codedPictures.find(({ name }) => name === "jpeg-2x2-progressive")!.bytes;
    const last = Buffer.from(file).lastIndexOf(Buffer.of(0xff, 0xda));
    const scan = file.subarray(last, -2);
    const many = Buffer.concat([file.subarray(0, -2), ...Array.from({ length: 500 }, () => scan), file.subarray(-2)]);
    expect(await refusal(many)).toContain(`found a JPEG of ${500 + jpegFrame(file).scans} scans, expected at most 500`);
  });

  it("a JPEG that needs more memory than WebAssembly has", async () => {
    const huge = picture("jpeg-420").slice();
    const at = huge.findIndex((byte, i) => byte === 0xff && huge[i + 1] === 0xc0);
    huge.fill(0xff, at + 5, at + 9);
    await expect(decodeWithout(huge, { maxPixels: 2 ** 32 })).rejects.toThrow(OutOfMemoryError);
    await expect(decodeWithout(huge, { maxPixels: 2 ** 32 })).rejects.toThrow(
      "found 65535 x 65535 pixels, which need 12884",
    );
  });
});
