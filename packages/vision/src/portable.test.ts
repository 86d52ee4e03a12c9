import { crc32, deflateSync } from "node:zlib";
import { BackendUnavailableError, FormatError, OutOfMemoryError, ResidualError } from "@residual/core";
import { readBytes } from "@residual/kit/bytes";
import fc from "fast-check";
import sharp from "sharp";
import { assert, describe, expect, it, vi } from "vitest";
import { imageDecoder } from "./decode.ts";
import { withoutSharp } from "./decode-node.ts";
import type { Pixels } from "./pixels.ts";
import { decodePortably } from "./portable.ts";
import { decodeWithSharp } from "./sharp.ts";
import {
  codedForSharp,
  codedPictures,
  goldenBytes,
  goldenCases,
  goldenPictures,
  picture,
  sha256,
} from "./testing/golden.ts";
import { chunk, png } from "./testing/png.ts";
import { randomBytes, seeded } from "./testing/random.ts";

const platform = withoutSharp("sharp is not installed; npm install sharp");

const coded = (name: string) => codedPictures.find((each) => each.name === name)!.bytes;

/** decodeImage, as where sharp does not load. */
const decodeWithout = imageDecoder({
  readBytes,
  decodeFile: (bytes, format, options) => decodePortably(bytes, format, { ...options, platform }),
});

/** decodeImage by sharp alone. */
const decodeWith = imageDecoder({
  readBytes,
  decodeFile: (bytes, format, options) => decodeWithSharp(sharp, bytes, format, options),
});

describe("Pillow's own pixels, without sharp and with it", () => {
  it.each(codedPictures)("$name", async ({ bytes, size: [width, height], sha256: digest }) => {
    for (const decode of [decodeWithout, decodeWith]) {
      const pixels = await decode(bytes);
      expect([pixels.width, pixels.height, sha256(pixels.data)]).toEqual([width, height, digest]);
    }
  });

  it.each(goldenCases)("$image, $variant", async ({ image, variant, decodedRgbSha256 }) => {
    for (const decode of [decodeWithout, decodeWith]) {
      const { data } = await decode(goldenBytes(image), { upright: variant === "upright" });
      expect(sha256(data)).toBe(decodedRgbSha256);
    }
  });

  const others = goldenPictures.filter(({ name }) => !name.startsWith("tiff-"));
  it.each(others)("$name", async ({ bytes }) => {
    for (const upright of [false, true]) {
      expect(await decodeWithout(bytes, { upright })).toEqual(await decodeWith(bytes, { upright }));
    }
  });
});

describe("what sharp alone decodes is refused, with the way out", () => {
  const refused = [...codedForSharp, ...goldenPictures.filter(({ name }) => name.startsWith("tiff-"))];
  it.each(refused)("$name", async ({ bytes }) => {
    const error: unknown = await decodeWithout(bytes).catch((thrown: unknown) => thrown);
    assert.instanceOf(error, BackendUnavailableError);
    expect(error.message).toMatch(/^image: found .*, which sharp alone decodes; .*npm install sharp$/);
  });

  it.each(codedForSharp)("$name: sharp gives Pillow's pixels", async ({ bytes, sha256: digest }) => {
    expect(sha256((await decodeWith(bytes)).data)).toBe(digest);
  });

  it("four inks in arithmetic codes are called so", async () => {
    const { bytes } = codedForSharp.find(({ name }) => name === "jpeg-inks-arithmetic")!;
    const words = "found a JPEG of four inks (CMYK) in arithmetic codes, which sharp alone decodes";
    await expect(decodeWithout(bytes)).rejects.toThrow(words);
  });

  it("a JPEG of 12 bits", async () => {
    const wide = goldenBytes("images/jpeg444-360x270.jpg").slice();
    wide[frameAt(wide) + 4] = 12;
    await expect(decodeWithout(wide)).rejects.toThrow("found a JPEG of 12 bits, coded as SOF0, which sharp alone");
  });

  it.each([3, 5, 6, 7, 11, 13, 14, 15])("a JPEG coded as SOF%i: lossless, hierarchical", async (process) => {
    const other = goldenBytes("images/jpeg444-360x270.jpg").slice();
    other[frameAt(other) + 1] = 0xc0 + process;
    const words = `found a JPEG of 8 bits, coded as SOF${process}, which sharp alone decodes`;
    await expect(decodeWithout(other)).rejects.toThrow(words);
  });
});

/** Where the marker of a baseline or progressive frame stands. */
function frameAt(jpeg: Uint8Array): number {
  return jpeg.findIndex((byte, at) => byte === 0xff && (jpeg[at + 1] === 0xc0 || jpeg[at + 1] === 0xc2));
}

it("random pictures that sharp writes decode to the pixels that sharp reads", async () => {
  const sides = { width: fc.integer({ min: 1, max: 70 }), height: fc.integer({ min: 1, max: 70 }) };
  const jpegs = fc.record({
    format: fc.constant("jpeg" as const),
    quality: fc.integer({ min: 1, max: 100 }),
    chromaSubsampling: fc.constantFrom("4:4:4", "4:2:0"),
    progressive: fc.boolean(),
  });
  const pngs = fc.record({ format: fc.constant("png" as const), palette: fc.boolean(), progressive: fc.boolean() });
  const quality = fc.integer({ min: 1, max: 100 });
  const webps = fc.record({
    format: fc.constant("webp" as const),
    quality,
    lossless: fc.boolean(),
    exact: fc.boolean(),
  });
  const channels = fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const);
  await fc.assert(
    fc.asyncProperty(
      fc.record({ ...sides, channels, seed: fc.nat() }),
      fc.oneof(jpegs, pngs, webps),
      fc.boolean(),
      async (size, options, isCmyk) => {
        const { width, height, seed } = size;
        const samples = randomBytes(width * height * size.channels, seed);
        const raw = sharp(samples, { raw: { width, height, channels: size.channels } });
        const image = isCmyk && options.format === "jpeg" ? raw.removeAlpha().toColourspace("cmyk") : raw;
        const file = new Uint8Array(await image.toFormat(options.format, options).toBuffer());
        expect(await decodeWithout(file)).toEqual(await decodeWith(file));
      },
    ),
  );
});

/** The first segment of a marker, with `change` made in it; `at` counts from the marker. */
function withSegment(file: Uint8Array, marker: number, change: (segment: Uint8Array) => Uint8Array): Uint8Array {
  const at = file.findIndex((byte, i) => byte === 0xff && file[i + 1] === marker);
  const end = at + 2 + new DataView(file.buffer, file.byteOffset).getUint16(at + 2);
  return Buffer.concat([file.subarray(0, at), change(file.slice(at, end)), file.subarray(end)]);
}

/** The file with bytes before each marker behind its first scan's. */
function withStray(file: Uint8Array, stray: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset);
  const parts: Uint8Array[] = [];
  let begin = 0;
  let isScan = false;
  for (let at = file.indexOf(0xff); at >= 0; at = file.indexOf(0xff, at)) {
    const marker = file[at + 1]!;
    if (isScan && marker !== 0) {
      parts.push(file.subarray(begin, at), stray);
      begin = at;
    }
    isScan ||= marker === 0xda;
    const isAlone = marker === 0 || (marker >= 0xd0 && marker <= 0xd9);
    at += isAlone ? 2 : 2 + view.getUint16(at + 2);
  }
  return Buffer.concat([...parts, file.subarray(begin)]);
}

/** What Pillow passes over in a JPEG, and phones and cameras write: the pixels are those of the file without it. */
describe("oddities of a whole JPEG", () => {
  const film = Buffer.concat([Buffer.from("\0\0\0\x18ftypmp42"), Buffer.alloc(4 * 600, Buffer.of(0xff, 0xda, 0, 2))]);
  const odd: Readonly<Record<string, (file: Uint8Array) => Uint8Array>> = {
    "a film behind the image, as of a motion photo": (file) => Buffer.concat([file, film]),
    "stray bytes before each marker": (file) => withStray(file, Buffer.from([0, 1, 0xff, 0, 7])),
    "a revision of JFIF that is unknown": (file) => withSegment(file, 0xe0, (jfif) => jfif.with(9, 2)),
    "a colour profile in wrong parts": (file) =>
      withSegment(file, 0xe0, (jfif) =>
        Buffer.concat([jfif, Buffer.from("\xff\xe2\0\x11ICC_PROFILE\0\x05\x02a", "latin1")]),
      ),
    "an unknown colour transform": (file) =>
      withSegment(file, 0xe0, () => Buffer.from("\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x02", "latin1")),
  };
  const kinds = ["jpeg-2x2", "jpeg-2x2-progressive", "jpeg-2x1-progressive", "jpeg-grey-progressive", "jpeg-restart"];
  const cases = Object.keys(odd).flatMap((oddity) => kinds.map((kind) => [oddity, kind] as const));
  const expectWhole = async (file: Uint8Array, kind: string) => {
    for (const decode of [decodeWithout, decodeWith]) {
      expect(sha256((await decode(file)).data)).toBe(codedPictures.find(({ name }) => name === kind)!.sha256);
    }
  };

  it.each(cases)("%s: %s", async (oddity, kind) => expectWhole(odd[oddity]!(coded(kind)), kind));

  it.each([
    [0, 0],
    [1, 63],
  ])("a sequential scan said to hold coefficients %i to %i", async (from, to) => {
    const changed = withSegment(coded("jpeg-2x2"), 0xda, (scan) => scan.with(-3, from).with(-2, to));
    await expectWhole(changed, "jpeg-2x2");
  });

  it("stray bytes in a frame of a webcam, which brings no Huffman tables", async () => {
    let file = coded("jpeg-2x2");
    for (let table = 0; table < 4; table++) file = withSegment(file, 0xc4, () => new Uint8Array(0));
    await expectWhole(withStray(file, new Uint8Array(9)), "jpeg-2x2");
  });

  it.each(["jpeg-cmyk-progressive", "jpeg-inks-2x2,1x1,1x1,2x2-ycck-progressive"])(
    "stray bytes before each marker: %s",
    async (kind) => expectWhole(withStray(coded(kind), Buffer.alloc(9)), kind),
  );

  it.each(Object.keys(odd))("%s does not hide that pixels were lost", async (oddity) => {
    const file = coded("jpeg-2x2");
    const cut = Buffer.concat([file.subarray(0, file.length * 0.7), Buffer.of(0xff, 0xd9)]);
    for (const decode of [decodeWithout, decodeWith]) {
      await expect(decode(odd[oddity]!(cut))).rejects.toThrow(FormatError);
    }
  });

  it("a lost restart marker is no stray byte", async () => {
    const file = Buffer.from(coded("jpeg-restart"));
    const at = file.indexOf(Buffer.of(0xff, 0xd0));
    const lost = Buffer.concat([file.subarray(0, at), file.subarray(at + 2)]);
    for (const decode of [decodeWithout, decodeWith]) await expect(decode(lost)).rejects.toThrow(FormatError);
  });
});

async function refusal(bytes: Uint8Array, maxPixels?: number): Promise<string> {
  const error: unknown = await decodeWithout(bytes, { maxPixels }).catch((thrown: unknown) => thrown);
  assert.instanceOf(error, FormatError);
  return error.message;
}

describe("damaged files", () => {
  const jpeg = goldenBytes("images/jpeg420-exif6-360x270.jpg");
  const small = goldenBytes("images/tiny-40x31.png");

  it("a JPEG with stray bytes between its headers, and after it, is whole", async () => {
    const extra = Buffer.concat([jpeg.subarray(0, 20), Buffer.from([1, 2, 3]), jpeg.subarray(20), Buffer.from("end")]);
    expect(await decodeWithout(extra)).toEqual(await decodeWith(jpeg));
  });

  it.each([0x00, 0x01, 0xd0, 0xd7])(
    "a JPEG with the marker %i, which has no segment, before its headers",
    async (marker) => {
      const extra = Buffer.concat([jpeg.subarray(0, 2), Buffer.of(0xff, marker), jpeg.subarray(2)]);
      expect(await decodeWith(extra)).toEqual(await decodeWith(jpeg));
      expect(await decodeWithout(extra)).toEqual(await decodeWith(jpeg));
    },
  );

  it("a codec that failed is not used again", async () => {
    const damaged = jpeg.slice();
    damaged.set([0xff, 0xd9], jpeg.length >> 1);
    await refusal(damaged);
    expect(await decodeWithout(jpeg)).toEqual(await decodeWith(jpeg));
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
    "jpeg-stray-bytes-restart",
    "jpeg-inks-2x2,1x1,1x1,2x2-ycck",
    "jpeg-inks-2x2,1x1,1x1,2x2-cmyk-progressive",
    "webp-lossy-alpha-20",
    "webp-lossless-alpha",
    "webp-animation-small-frame",
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
          [decodeWithout, decodeWith].map((decode) => outcomeOf(decode(mutated))),
        );
        expect(found).toMatch(/^(decoded|FormatError|BackendUnavailableError)$/);
        if (known !== "decoded") expect(found).not.toBe("decoded");
        outcomes[found === "decoded" ? "decoded" : "refused"]++;
      }
      expect(outcomes.decoded * outcomes.refused).toBeGreaterThan(0); // the mutations do reach what matters
    },
  );
});

/** Gives the chunks of a PNG the checksums of what they hold. JPEG and WebP have none. */
function mendChecksums(file: Uint8Array): void {
  if (file[0] !== 0x89) return;
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
    (error: unknown) => (error instanceof ResidualError ? error.code : String(error)),
  );
}

describe("a PNG whose checksums are right, and whose content is not", () => {
  const base = { width: 2, height: 1, kind: "rgb", depth: 8, samples: new Uint8Array(6) } as const;
  const changed = (at: number, value: number, of = png(base)) => {
    const file = Uint8Array.from(of);
    file[at] = value;
    new DataView(file.buffer).setUint32(29, crc32(file.subarray(12, 29)));
    return file;
  };

  const damaged = (at: number) => Uint8Array.from(png(base), (byte, i) => (i === at ? 0 : byte));
  /** The file with another chunk, between its chunks. Byte 8 is the first chunk's, byte 33 the second's. */
  const withChunk = (at: 8 | 33, name: string, data: Uint8Array = new Uint8Array(0)) =>
    Buffer.concat([png(base).subarray(0, at), chunk(name, data), png(base).subarray(at)]);
  const header = png(base).subarray(16, 29);

  it.each([
    ["an unknown compression", changed(26, 1), "compression 1, filter 0, interlacing 0, which no PNG has"],
    ["an unknown filter method", changed(27, 1), "compression 0, filter 1, interlacing 0, which no PNG has"],
    ["an unknown interlacing", changed(28, 2), "compression 0, filter 0, interlacing 2, which no PNG has"],
    ["no palette", changed(25, 3), "found a PNG without the palette that it needs"],
    ["a signature damaged at byte 6", damaged(6), "found a damaged PNG signature"],
    ["a signature damaged at byte 7", damaged(7), "found a damaged PNG signature"],
    ["a chunk before the header", withChunk(8, "gAMA"), "found the chunk gAMA first, expected IHDR"],
    ["two headers", withChunk(33, "IHDR", header), "found the chunk IHDR where no PNG has it"],
    ["an unknown critical chunk", withChunk(33, "ABcD"), "found the chunk ABcD where no PNG has it"],
    ["a chunk's name with a digit", withChunk(33, "a1cD"), "found the chunk a1cD where no PNG has it"],
    ["a palette cut within a colour", withChunk(33, "PLTE", new Uint8Array(4)), "found a palette of 4 bytes"],
    ["a palette of 257 colours", withChunk(33, "PLTE", new Uint8Array(771)), "found a palette of 771 bytes"],
    ["a width of 0", changed(19, 0), "found 0 x 1 pixels, expected at least 1 x 1"],
    ["fewer rows than its height", changed(23, 9), "(its compressed data are 7 bytes, expected 63)"],
    [
      "a byte more than its rows",
      withRows(png(base), new Uint8Array(8)),
      "(its compressed data are more than 7 bytes)",
    ],
    ["an unknown filter of a row", withRows(png(base), Uint8Array.of(5, 0, 0, 0, 0, 0, 0)), "found the filter 5"],
  ])("%s", async (_, file, words) => expect(await refusal(file)).toContain(words));

  it("a depth that the colour type does not allow, and an unknown colour type", async () => {
    // Source: the PNG specification, table 11.1
    const allowed = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
    const types = new Map<number, readonly number[]>(Object.entries(allowed).map(([type, depths]) => [+type, depths]));
    for (let type = 0; type < 9; type++) {
      for (let depth = 0; depth < 33; depth++) {
        const file = changed(24, depth, changed(25, type));
        const message = await decodeWithout(file).then(String, String);
        expect(message.includes(`found depth ${depth}, colour type ${type}, `)).toBe(!types.get(type)?.includes(depth));
      }
    }
  });

  it("an unknown ancillary chunk is passed over", async () => {
    expect(await decodeWithout(withChunk(33, "abCD"))).toEqual(await decodeWithout(png(base)));
  });
});

/** The PNG with other rows. Each row follows its filter byte. */
function withRows(file: Uint8Array, rows: Uint8Array): Uint8Array {
  return Buffer.concat([file.subarray(0, 33), chunk("IDAT", deflateSync(rows)), file.subarray(-12)]);
}

it("a large PNG yields to the event loop while it is decoded", async () => {
  let time = 0;
  const now = vi.spyOn(performance, "now").mockImplementation(() => (time += 7)); // each row takes long
  let turns = 0;
  let counting = setImmediate(function count() {
    turns++;
    counting = setImmediate(count);
  });
  await decodeWithout(goldenBytes("images/photo-523x391.png"));
  clearImmediate(counting);
  now.mockRestore();
  expect(turns).toBeGreaterThan(100);
});

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
    expect(await refusal(bomb)).toContain("found a damaged or cut PNG (its compressed data are more than 310 bytes)");
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
  });

  it.each([
    ["segments", goldenBytes("images/jpeg444-360x270.jpg"), 2, Buffer.of(0xff, 0xe1, 0, 2)],
    ["chunks", goldenBytes("images/tiny-40x31.png"), 33, chunk("IDAT", Buffer.alloc(0))],
  ])("a million empty %s, which take no memory each", async (_, file, at, empty) => {
    const many = Buffer.concat([
      file.subarray(0, at),
      Buffer.alloc(empty.length * 1_000_000, empty),
      file.subarray(at),
    ]);
    const before = process.memoryUsage.rss();
    const { data } = await decodeWithout(many);
    expect(process.memoryUsage.rss() - before).toBeLessThan(80e6); // a list of them takes twice as much
    expect(data).toEqual((await decodeWith(file)).data);
  });

  it("more scans than any picture has", async () => {
    const file = coded("jpeg-2x2-progressive");
    const last = Buffer.from(file).lastIndexOf(Buffer.of(0xff, 0xda));
    const scan = file.subarray(last, -2);
    const more = (scans: number) =>
      Buffer.concat([file.subarray(0, -2), ...Array.from({ length: scans }, () => scan), file.subarray(-2)]);
    expect(await refusal(more(491))).toContain("found a JPEG of 501 scans, expected at most 500"); // cjpeg wrote ten
    expect(await refusal(more(490))).toContain("the file is damaged"); // a bit is refined only once
  });

  it.each([
    ["jpeg-2x2", 3],
    ["jpeg-2x2-progressive", 9],
    ["jpeg-1-scans", 9], // progressive, though of one scan
    ["jpeg-arithmetic-progressive", 9],
  ])("%s of 65535 x 65535 pixels needs more memory than WebAssembly has", async (name, bytesOfPixel) => {
    const huge = coded(name).slice();
    const at = huge.findIndex((byte, i) => byte === 0xff && [0xc0, 0xc2, 0xca].includes(huge[i + 1]!));
    huge.fill(0xff, at + 5, at + 9);
    const decoded = decodeWithout(huge, { maxPixels: 2 ** 32 });
    const needed = bytesOfPixel * 65535 ** 2 + huge.length;
    await expect(decoded).rejects.toThrow(OutOfMemoryError);
    await expect(decoded).rejects.toThrow(`which need ${needed} bytes, expected at most 2080374784; `);
  });
});
