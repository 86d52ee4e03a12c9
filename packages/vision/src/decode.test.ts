import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortError, FormatError } from "@residual/core";
import sharp from "sharp";
import { afterAll, afterEach, assert, describe, expect, it, vi } from "vitest";
import type { DecodeOptions } from "./decode.ts";
import { decodeImage, describePictures } from "./decode-node.ts";
import { whyMissing } from "./sharp.ts";
import { goldenBytes, goldenCases, goldenPath, goldenPictures, picture, sha256 } from "./testing/golden.ts";
import { png } from "./testing/png.ts";
import { randomBytes, seeded } from "./testing/random.ts";

declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

const jpeg = goldenBytes("images/jpeg444-360x270.jpg");
const small = goldenBytes("images/tiny-40x31.png");
const folder = mkdtempSync(join(tmpdir(), "residual-vision-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function refusal(source: string | Uint8Array, options?: DecodeOptions): Promise<string> {
  const error: unknown = await decodeImage(source, options).catch((thrown: unknown) => thrown);
  assert.instanceOf(error, FormatError);
  return error.message;
}

describe("Pillow's own pixels", () => {
  it.each(goldenCases)("$image, $variant", async ({ image, variant, decodedSize, decodedRgbSha256 }) => {
    const { width, height, data } = await decodeImage(goldenPath(image), { upright: variant === "upright" });
    expect([width, height]).toEqual(decodedSize);
    expect(sha256(data)).toBe(decodedRgbSha256);
  });

  it("from bytes as from a path, the bytes left alone", async () => {
    const before = sha256(jpeg);
    expect(await decodeImage(jpeg)).toEqual(await decodeImage(goldenPath("images/jpeg444-360x270.jpg")));
    expect(sha256(jpeg)).toBe(before);
  });

  it("from bytes in the middle of a buffer", async () => {
    const buffer = new Uint8Array(small.length + 20);
    buffer.set(small, 7);
    expect(await decodeImage(buffer.subarray(7, 7 + small.length))).toEqual(await decodeImage(small));
  });
});

describe("samples", () => {
  const [width, height] = [5, 3];
  const read = async (kind: "grey" | "rgb" | "greyAlpha" | "rgba", depth: 8 | 16, samples: Uint8Array) =>
    (await decodeImage(png({ width, height, kind, depth, samples }))).data;
  const every = (samples: Uint8Array, step: number, from: readonly number[]) =>
    Uint8Array.from(
      { length: (samples.length / step) * 3 },
      (_, i) => samples[Math.floor(i / 3) * step + from[i % 3]!]!,
    );

  it.each([
    ["grey", 8, [0, 0, 0]],
    ["greyAlpha", 8, [0, 0, 0]],
    ["rgba", 8, [0, 1, 2]],
    ["grey", 16, [0, 0, 0]],
    ["greyAlpha", 16, [0, 0, 0]],
    ["rgb", 16, [0, 2, 4]],
    ["rgba", 16, [0, 2, 4]],
  ] as const)("%s of %i bits: the high byte, alpha dropped", async (kind, depth, from) => {
    const step = ({ grey: 1, greyAlpha: 2, rgb: 3, rgba: 4 }[kind] * depth) / 8;
    const samples = randomBytes(width * height * step, depth);
    expect(await read(kind, depth, samples)).toEqual(every(samples, step, from));
  });

  it.each(["png", "webp", "tiff", "gif"] as const)("%s, lossless, gives back what went in", async (format) => {
    const samples = Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 3) % 2 ? 255 : 0));
    const raw = sharp(samples, { raw: { width, height, channels: 3 } });
    const image = await raw.toFormat(format, { lossless: true, compression: "lzw" }).toBuffer();
    expect(await decodeImage(new Uint8Array(image))).toEqual({ width, height, data: samples });
  });

  it("a colour profile is not applied", async () => {
    const samples = randomBytes(width * height * 3, 1);
    const plain = { create: { width: 1, height: 1, channels: 3, background: "red" } } as const;
    const wide = await sharp(await sharp(plain).withIccProfile("p3").png().toBuffer()).metadata();
    const image = png({ width, height, kind: "rgb", depth: 8, samples, profile: wide.icc! });
    expect((await sharp(image).metadata()).hasProfile).toBe(true);
    expect((await decodeImage(image)).data).toEqual(samples);
  });

  it("CMYK becomes RGB by Pillow's arithmetic, without a colour profile", async () => {
    const rgb = { create: { width: 4, height: 4, channels: 3, background: { r: 200, g: 40, b: 90 } } } as const;
    const cmyk = await sharp(rgb).toColourspace("cmyk").tiff({ compression: "none" }).toBuffer();
    const raw = await sharp(cmyk).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer();
    const [c, m, y, k] = [raw[0]! / 255, raw[1]! / 255, raw[2]! / 255, raw[3]! / 255];
    const expected = [c, m, y].map((ink): unknown => expect.closeTo(255 * (1 - ink) * (1 - k), 0));
    const { data } = await decodeImage(new Uint8Array(cmyk));
    expect([...data.subarray(0, 3)]).toEqual(expected);
  });
});

describe("refused", () => {
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  it("a file that is not there, showing its path", async () => {
    const path = join(folder, "no-such.png");
    expect(await refusal(path)).toBe(`${path}: not found, expected an image file; check the path`);
    expect(await refusal(join(file("plain", "x"), "below.png"))).toContain("not found");
  });

  it("a directory", async () => expect(await refusal(folder)).toContain(`${folder}: found a directory, expected`));

  it("a device, which never ends", async () =>
    expect(await refusal("/dev/zero")).toContain("found a device or a socket, expected an image file"));

  it("an empty file", async () =>
    expect(await refusal(file("empty.png", ""))).toMatch(/found an empty file.*download it again/));

  it("text named .jpg", async () => {
    expect(await refusal(file("text.jpg", "hello, I am a text"))).toContain(
      'text.jpg: found text that begins "hello, I am a te", expected JPEG, PNG, WebP, GIF, TIFF, BMP, PGM or PPM; convert it to PNG',
    );
  });

  it.each([
    ["BM not much", "11 bytes, expected at least 14; the file is cut"],
    ["\0\0\0\x20ftypavif", "AVIF"],
    ["\0\0\0\x20ftypheic", "HEIC"],
    ["<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "SVG"],
    ["%PDF-1.7", "PDF"],
    ["\x01\x02\xff", "bytes 01 02 ff"],
  ])("%j, known as %s", async (start, known) => {
    expect(await refusal(Buffer.from(start, "latin1"))).toContain(`image: found ${known}`);
  });

  it.each([1, 2, 20, 1000, jpeg.length >> 1])("a JPEG that lacks its last %i bytes", async (cut) => {
    expect(await refusal(jpeg.subarray(0, -cut))).toContain("expected a whole one");
  });

  it.each([20, 100, small.length >> 1])("a PNG that lacks its last %i bytes", async (cut) => {
    expect(await refusal(small.subarray(0, -cut))).toContain("expected a whole one");
  });

  it("a PNG with a wrong checksum of its header", async () => {
    const damaged = small.slice();
    damaged[30]! ^= 1;
    expect(await refusal(damaged)).toContain("found a damaged or cut image");
  });

  it("a JPEG with a stray marker in its data, which libjpeg only warns of and fills up with grey", async () => {
    const damaged = jpeg.slice();
    damaged.set([0xff, 0xd9], jpeg.length >> 1);
    expect(await refusal(damaged)).toContain("found a damaged or cut image");
  });

  it("a PNG with a wrong checksum of its pixels", async () => {
    const damaged = small.slice();
    damaged[small.length >> 1]! ^= 1;
    expect(await refusal(damaged)).toContain("found a damaged or cut image");
  });
});

it("takes what only warns, as Pillow does: stray bytes between the markers of a JPEG, and after it", async () => {
  const extra = Buffer.concat([jpeg.subarray(0, 20), Buffer.from([1, 2, 3]), jpeg.subarray(20), Buffer.from("end")]);
  await expect(sharp(extra, { failOn: "warning" }).raw().toBuffer()).rejects.toThrow("extraneous");
  expect(await decodeImage(extra)).toEqual(await decodeImage(jpeg));
});

describe("bounds, by the header", () => {
  it("refuses 40,000 x 40,000 pixels at once", async () => {
    const bomb = png({ width: 40_000, height: 40_000, kind: "rgb", depth: 8, samples: new Uint8Array(120_000) });
    expect(bomb.length).toBeLessThan(1000);
    const [start, memory] = [performance.now(), process.memoryUsage.rss()];
    expect(await refusal(bomb)).toBe(
      "image: found 40000 x 40000, 1600000000 pixels, expected at most 178956970; shrink it, or raise maxPixels " +
        "(--max-pixels on the command line)",
    );
    expect(performance.now() - start).toBeLessThan(1000); // decoding takes tens of seconds and 4.8 GB
    expect(process.memoryUsage.rss() - memory).toBeLessThan(100e6);
  });

  it("maxPixels moves the limit, which itself is allowed", async () => {
    expect(await refusal(small, { maxPixels: 40 * 31 - 1 })).toContain(
      "found 40 x 31, 1240 pixels, expected at most 1239",
    );
    expect((await decodeImage(small, { maxPixels: 40 * 31 })).width).toBe(40);
  });
});

describe("mutated files decode or are a FormatError, never anything else", () => {
  const sources = ["jpeg420-exif6-360x270.jpg", "tiny-40x31.png", "palette-257x263.png", "strip-1000x9.png"];
  it.each(sources)("%s, 125 times", async (name) => {
    const [source, random] = [goldenBytes(`images/${name}`), seeded(name.length)];
    const outcomes = { decoded: 0, refused: 0 };
    for (let i = 0; i < 125; i++) {
      const outcome = await decodeImage(mutated(source, random), { maxPixels: 1e6, upright: i % 2 === 0 }).then(
        ({ width, height, data }) => data.length === width * height * 3 && "decoded",
        (error: unknown) => (error instanceof FormatError ? "refused" : String(error)),
      );
      expect(outcome).toMatch(/^(decoded|refused)$/);
      outcomes[outcome as "decoded"]++;
    }
    expect(outcomes.refused).toBeGreaterThan(10); // the mutations do reach what matters
  });
});

/** One to four bytes changed; one time in four half of them in the header; one time in eight cut short too. */
function mutated(source: Uint8Array, random: (limit: number) => number): Uint8Array {
  const bytes = source.slice();
  const reach = random(4) === 0 ? Math.min(64, bytes.length) : bytes.length;
  for (let changes = 1 + random(4); changes > 0; changes--) bytes[random(reach)] = random(256);
  return random(8) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

describe("abort", () => {
  it("before the start, with the reason as cause", async () => {
    const error = await decodeImage(small, { signal: AbortSignal.abort("enough") }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AbortError);
    expect((error as AbortError).cause).toBe("enough");
  });

  it("on the way", async () => {
    const controller = new AbortController();
    const decoded = decodeImage(jpeg, { signal: controller.signal });
    controller.abort();
    await expect(decoded).rejects.toBeInstanceOf(AbortError);
  });
});

describe("sharp", () => {
  it.each([
    [512, 512, 0],
    [513, 512, 1],
  ])("is loaded for a JPEG of %i x %i: %i", async (width, height, times) => {
    const file = await sharp(randomBytes(width * height * 3, 1), { raw: { width, height, channels: 3 } })
      .jpeg()
      .toBuffer();
    const expected = await decodeImage(file);
    vi.resetModules();
    const load = vi.fn(() => ({ default: sharp }));
    vi.doMock("sharp", load);
    const { decodeImage: decodeAnew } = await import("./decode-node.ts");
    expect(await decodeAnew(file)).toEqual(expected);
    expect(load).toHaveBeenCalledTimes(times);
    vi.doUnmock("sharp");
  });

  it("whose binary is missing is told in its own words, on one line; one that is absent otherwise", () => {
    const words =
      'Could not load the "sharp" module using the linux-x64 runtime\nPossible solutions:\n' +
      "- Ensure optional dependencies can be installed:\n    npm install --include=optional sharp\n";
    expect(whyMissing(new Error(words))).toContain(
      'sharp is installed but does not load (Could not load the "sharp" module using the linux-x64 runtime; Possible ' +
        "solutions: Ensure optional dependencies can be installed: npm install --include=optional sharp); npm install --os=",
    );
    const absent = Object.assign(new Error("Cannot find package 'sharp' imported from /a.js"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    expect(whyMissing(absent)).toBe("sharp is not installed; npm install sharp");
  });

  it("that is there is described with its version", async () => {
    expect(await describePictures()).toEqual({
      library: expect.stringMatching(/^sharp \d+\.\d+\.\d+ \(libvips \d+\.\d+\.\d+\)$/) as string,
      formats: ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "PNM"],
    });
  });
});

describe("sharp that does not load", () => {
  const way = `npm install --os=${process.platform} --cpu=${process.arch} --include=optional sharp`;
  /** Modules of their own, for which import("sharp") fails. */
  const modules = async () => {
    vi.resetModules();
    vi.doMock("sharp", () => {
      throw new Error(`no binary for this platform ${"and many words more ".repeat(50)}`);
    });
    const [node, encoding] = await Promise.all([import("./decode-node.ts"), import("./encode-node.ts")]);
    return { ...node, ...encoding };
  };
  afterEach(() => vi.doUnmock("sharp"));

  it("leaves JPEG, PNG and WebP to other decoders, which give the same pixels", async () => {
    const { decodeImage: decodeWithout } = await modules();
    for (const image of ["images/jpeg444-360x270.jpg", "images/tiny-40x31.png"]) {
      const { data } = await decodeWithout(goldenPath(image));
      expect(sha256(data)).toBe(goldenCases.find((each) => each.image === image)!.decodedRgbSha256);
    }
    const { data } = await decodeWithout(picture("webp-lossy"));
    expect(sha256(data)).toBe(goldenPictures.find(({ name }) => name === "webp-lossy")!.sha256);
  });

  it("leaves TIFF unread and pictures unwritten: the error says why, and ends with the command", async () => {
    const { decodeImage: decodeWithout, encodeImage: encodeWithout } = await modules();
    const red = { width: 1, height: 1, data: Uint8Array.of(255, 0, 0, 255) };
    for (const [work, words] of [
      [() => decodeWithout(picture("tiff-lzw")), "image: found TIFF, which sharp alone decodes"],
      [() => encodeWithout(red), "sharp alone writes pictures in Node"],
    ] as const) {
      await expect(work()).rejects.toHaveProperty("code", "BackendUnavailableError");
      const why = "sharp is installed but does not load";
      await expect(work()).rejects.toThrow(new RegExp(`^${words}; ${why} \\(.*\\); ${way}$`));
    }
  });

  it("nor WebAssembly: the error says that it does not load, not that the file is damaged", async () => {
    using compile = vi.spyOn(WebAssembly, "compile").mockRejectedValue(new Error("no WebAssembly here"));
    const { decodeImage: decodeWithout } = await modules();
    for (const file of [jpeg, picture("webp-lossy")]) {
      const decoded = decodeWithout(file);
      await expect(decoded).rejects.toHaveProperty("code", "BackendUnavailableError");
      await expect(decoded).rejects.toThrow(/does not load \(.*no WebAssembly here\); sharp is installed but does/);
    }
    expect(compile).toHaveBeenCalledTimes(3); // for a small JPEG before sharp is looked for, too
  });

  it("is described as portable, with the formats that are left, and the command", async () => {
    const { describePictures: describeWithout } = await modules();
    const { reason, ...support } = await describeWithout();
    expect(support).toEqual({ library: "portable", formats: ["JPEG", "PNG", "WebP", "GIF", "BMP", "PNM"] });
    expect(reason).toContain(way);
  });
});

it("what Node and browsers share imports nothing of either", () => {
  const source = new URL(".", import.meta.url);
  const files = readdirSync(source).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(10);
  for (const name of files) {
    const text = readFileSync(new URL(name, source), "utf8");
    expect(text, name).not.toMatch(
      /^(import|export) (?!type ).*from "(?!\.\/|@residual\/(core|kit\/(bytes|inflate|turns))")/m,
    );
  }
});
