import { FormatError, ResidualError, UnsupportedError } from "@residual/core";
import { beforeAll, describe, expect, inject, it, vi } from "vitest";
import { decodeImage, describePictures, type Picture, type Pixels } from "./browser.ts";
import { decodeBase64, type GoldenOutcome, goldenOutcomes } from "./testing/golden-outcomes.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

/** The part of the DOM that is used here: the packages are checked without it. */
declare function createImageBitmap(source: unknown): Promise<Picture>;
declare class OffscreenCanvas {
  readonly width: number;
  readonly height: number;
  constructor(width: number, height: number);
  getContext(kind: "2d" | "webgl2" | "bitmaprenderer"): {
    putImageData(image: unknown, x: number, y: number): void;
  };
}
declare class ImageData {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
  constructor(data: Uint8ClampedArray, width: number, height: number);
}
declare const location: { readonly href: string };
declare class Worker {
  onmessage: (event: { readonly data: readonly GoldenOutcome[] }) => void;
  onerror: (error: unknown) => void;
  constructor(address: URL, options: { readonly type: "module" });
  postMessage(message: string): void;
  terminate(): void;
}
declare class Image {
  src: string;
  readonly currentSrc: string;
  decode(): Promise<void>;
}
declare class VideoFrame {
  readonly displayWidth: number;
  readonly displayHeight: number;
  constructor(source: unknown, options: { readonly timestamp: number });
  close(): void;
}
interface Frame {
  srcdoc: string;
  readonly contentWindow: object;
  remove(): void;
}
declare const document: {
  readonly body: { append(element: Frame): void };
  createElement(name: "video"): { readonly videoWidth: number; readonly videoHeight: number };
  createElement(name: "iframe"): Frame;
};
declare function addEventListener(
  type: "message",
  listener: (event: { readonly source: unknown; readonly data: unknown }) => void,
): void;

const golden = `/@fs${inject("repository")}packages/vision/golden/`;

let pictures: readonly { readonly name: string; readonly file: string }[];
beforeAll(async () => {
  const answer = (await (await fetch(`${golden}formats/pictures.json`)).json()) as { pictures: typeof pictures };
  pictures = answer.pictures;
});
const picture = (name: string) => decodeBase64(pictures.find((each) => each.name === name)!.file);

describe("Pillow's pixels, and torchvision's numbers", () => {
  const refused = /^(tiff|rare jpeg)-/;
  const expectExact = (outcomes: readonly GoldenOutcome[]) => {
    const exact = outcomes.filter(({ name }) => !refused.test(name));
    expect(exact.length).toBeGreaterThan(300);
    expect(exact.filter(({ outcome }) => outcome !== "same")).toEqual([]);
    for (const { name, outcome } of outcomes.filter((each) => refused.test(each.name))) {
      expect(outcome, name).toMatch(/^UnsupportedError: .*, which is not decoded in browsers; save it as PNG$/);
    }
  };

  it("of every golden, upright too, without a canvas or WebGL", async () => {
    const canvas = vi.spyOn(OffscreenCanvas.prototype, "getContext");
    vi.stubGlobal("createImageBitmap", undefined);
    expectExact(await goldenOutcomes(golden));
    expect(canvas).not.toHaveBeenCalled();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it("in a worker", async () => {
    const worker = new Worker(new URL("./testing/goldens-worker.ts", import.meta.url), { type: "module" });
    const { data } = await new Promise<{ readonly data: readonly GoldenOutcome[] }>((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = reject;
      worker.postMessage(new URL(golden, location.href).href);
    });
    worker.terminate();
    expectExact(data);
  });
});

describe("sources", () => {
  it("an address, a File, a Response, an image element", async () => {
    const url = `${golden}preprocess/images/rgba-250x401.png`;
    const expected = await decodeImage(await (await fetch(url)).arrayBuffer());
    const element = new Image();
    element.src = url;
    await element.decode();
    const file = new File([await (await fetch(url)).blob()], "cat.png");
    for (const source of [url, new URL(url, import.meta.url), file, await fetch(url), element]) {
      expect(await decodeImage(source)).toEqual(expected);
    }
  });

  it("ImageData, canvases of each kind, an ImageBitmap, a VideoFrame", async () => {
    const [width, height] = [4, 2];
    const rgba = Uint8ClampedArray.from({ length: 32 }, (_, i) => (i % 4 === 3 ? 255 : i * 7));
    const imageData = new ImageData(rgba, width, height);
    const expected = { width, height, data: Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3)) };
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(imageData, 0, 0);
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    for (const source of [imageData, canvas, await createImageBitmap(imageData), frame]) {
      expect(await decodeImage(source)).toEqual(expected);
    }
    frame.close();
    const other = new OffscreenCanvas(width, height);
    other.getContext("webgl2"); // transparent, which is black
    expect(await decodeImage(other)).toEqual({ width, height, data: new Uint8Array(24) });
  });

  it("whatever else is an error of ours", async () => {
    await expect(decodeImage(document.createElement("video"))).rejects.toThrow("has no picture yet");
    await expect(decodeImage("file:///cat.png")).rejects.toThrow("a browser reads no files by name");
    for (const source of [null, 42, {}, new Image(), "/no-such-picture.png", Promise.resolve()]) {
      const error = await decodeImage(source as Picture).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ResidualError);
      expect((error as Error).message).not.toContain("sharp");
    }
  });
});

describe("refused", () => {
  it("TIFF, with the way out", async () => {
    const error = await decodeImage(picture("tiff-lzw")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as Error).message).toContain("image: found TIFF, which is not decoded in browsers; save it as PNG");
  });

  it("a text with a picture's name, and what it is", async () => {
    const file = new File(["<p>Not found</p>"], "cat.jpg", { type: "image/jpeg" });
    const decoded = decodeImage(file);
    await expect(decoded).rejects.toBeInstanceOf(FormatError);
    await expect(decoded).rejects.toThrow('cat.jpg: found text that begins "<p>Not found</p>", expected JPEG, PNG');
  });

  it("JPEG and WebP on a page whose policy forbids WebAssembly, with the directive; a PNG decodes", async () => {
    const module = new URL("testing/forbidden.ts", import.meta.url);
    const photos = ["images/jpeg444-360x270.jpg", "images/tiny-40x31.png"].map((name) => `${golden}preprocess/${name}`);
    const webp = `data:image/webp;base64,${pictures.find(({ name }) => name === "webp-lossy")!.file}`;
    for (const each of [...photos, webp]) module.searchParams.append("picture", new URL(each, location.href).href);
    const frame = document.createElement("iframe");
    const told = new Promise((resolve) => {
      addEventListener("message", ({ source, data }) => {
        if (source === frame.contentWindow) resolve(data);
      });
    });
    frame.srcdoc =
      `<meta http-equiv="Content-Security-Policy" content="script-src 'self' 'unsafe-inline'">` +
      "<script>__vitest_browser_runner__ = { wrapDynamicImport: (load) => load() };</script>" +
      `<script type="module" src="${module.href}"></script>`;
    document.body.append(frame);
    const words = (format: string) =>
      new RegExp(`^BackendUnavailableError: .*the decoder of ${format} does not load .*add 'wasm-unsafe-eval' to its`);
    expect(await told).toEqual([expect.stringMatching(words("JPEG")), 40, expect.stringMatching(words("WebP"))]);
    frame.remove();
  });

  it("files that are cut anywhere", async () => {
    for (const name of ["jpeg-420", "jpeg-exif-6", "png-rgba", "webp-lossless-alpha", "webp-lossy", "gif", "bmp-24"]) {
      const bytes = picture(name);
      for (let cut = 12; cut < bytes.length - 2; cut += Math.ceil(bytes.length / 25)) {
        const error = await decodeImage(bytes.slice(0, cut)).catch((thrown: unknown) => thrown);
        expect(error, `${name} cut to ${cut}`).toBeInstanceOf(FormatError);
      }
    }
  });

  it("a PNG with a changed byte", async () => {
    const bytes = picture("png-rgba");
    bytes[bytes.length >> 1]! ^= 1;
    await expect(decodeImage(bytes)).rejects.toThrow("found a wrong checksum of the chunk IDAT");
  });

  it("more pixels than are allowed, by the header", async () => {
    for (const name of ["jpeg-420", "png-rgba", "webp-lossless-alpha", "webp-lossy", "webp-animation"]) {
      await expect(decodeImage(picture(name), { maxPixels: 100 })).rejects.toThrow(/pixels, expected at most 100;/);
    }
  });
});

it("mutated files decode or are an error of ours", async () => {
  let seed = 1;
  const random = (limit: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % limit;
  };
  for (const name of ["jpeg-exif-6", "png-palette-transparent", "webp-lossy-alpha", "webp-exif-6"]) {
    for (let i = 0; i < 40; i++) {
      const bytes = picture(name);
      for (let changes = 1 + random(3); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
      const found = await decodeImage(bytes, { maxPixels: 1e6, upright: true }).catch((thrown: unknown) => thrown);
      if (found instanceof ResidualError) continue;
      const { width, height, data } = found as Pixels;
      expect(data.length, name).toBe(width * height * 3);
    }
  }
});

it("describes what decodes here", async () => {
  expect(await describePictures()).toEqual({
    library: "portable",
    formats: ["JPEG", "PNG", "WebP", "GIF", "BMP", "PNM"],
  });
});
