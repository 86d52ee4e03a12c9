import { readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { load } from "@residual/pipeline";
import { overlayCam } from "@residual/vision";
import type { Page } from "playwright";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { givePicture, isReady, type MadeFile, photos, type Site, shownClasses, startSite } from "./site.ts";

const chelsea = await readFile(`${photos}chelsea.png`);
const rocket = await readFile(`${photos}rocket.jpg`);
const made = (name: string, buffer: Buffer): MadeFile => ({ name, buffer, mimeType: "image/*" });

/** A hole and a slope of alpha over the photo: browsers keep colours beneath alpha in their own way. */
const alpha = sharp(Buffer.from(Array.from({ length: 451 * 300 }, (_, i) => (i % 451) >> 1)), {
  raw: { width: 451, height: 300, channels: 1 },
});

const pictures: readonly (readonly [kind: string, file: MadeFile])[] = [
  ["PNG", made("chelsea.png", chelsea)],
  ["JPEG", made("rocket.jpg", rocket)],
  ["a JPEG turned by EXIF", made("turned.jpg", await sharp(rocket).withMetadata({ orientation: 6 }).jpeg().toBuffer())],
  [
    "a PNG with alpha",
    made(
      "alpha.png",
      await sharp(chelsea)
        .joinChannel(await alpha.png().toBuffer())
        .png()
        .toBuffer(),
    ),
  ],
  ["a CMYK JPEG", made("cmyk.jpg", await sharp(chelsea).toColourspace("cmyk").jpeg().toBuffer())],
  ["WebP", made("chelsea.webp", await sharp(chelsea).webp().toBuffer())],
];

describe.each([false, true])("cross-origin isolated: %s", (isIsolated) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ isIsolated });
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test("the classes of every kind of picture are Node's, to the bit", async () => {
    await using classifier = await load({ backend: "wasm", preprocessing: { upright: true } });
    const page = await site.open();
    await isReady(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(isIsolated);
    for (const [kind, file] of pictures) {
      await givePicture(page, file);
      await page.getByAltText(file.name).waitFor();
      await isReady(page);
      const expected = await classifier.classify(new Uint8Array(file.buffer));
      // ECMAScript leaves the last bits of Math.exp open: Node's and the browser's differ now and then
      const rounded = expected.map(({ label, probability }) => [label, Math.fround(probability)]);
      expect(await shownClasses(page), kind).toEqual(rounded);
    }
  });
});

describe("the room", () => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite();
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test("opens on a photo, and classifies a file, a sample, a pasted and a dropped picture", async () => {
    const page = await site.open();
    const best = (text: string) => page.locator(".best", { hasText: text }).waitFor();
    await best("cat");
    await givePicture(page, `${photos}rocket.jpg`);
    await best("ship");
    await page.getByRole("button", { name: "a cat" }).click();
    await best("cat");
    await give(page, "paste", "rocket.jpg", rocket);
    await best("ship");
    await give(page, "drop", "chelsea.png", chelsea);
    await best("cat");
  });

  test("a class that is clicked shows its own map, whose opacity is set; the map can be hidden", async () => {
    const page = await site.open();
    const map = page.locator(".heat");
    await expect.poll(() => map.evaluate((canvas) => getComputedStyle(canvas).opacity)).toBe("0.55");
    const ofCat = await map.screenshot();
    await page.getByRole("button", { name: /^dog/ }).click();
    await page.getByText("Where the network sees dog").waitFor();
    await expect.poll(async () => (await map.screenshot()).equals(ofCat)).toBe(false);
    await page.getByRole("slider", { name: "Opacity of the map" }).fill("80");
    expect(await map.evaluate((canvas) => getComputedStyle(canvas).opacity)).toBe("0.8");
    await page.getByRole("checkbox", { name: "Activation map" }).uncheck();
    expect(await map.evaluate((canvas) => getComputedStyle(canvas).opacity)).toBe("0");
  });

  test("a photo that a phone has stored on its side is seen and shown upright, below its map", async () => {
    const page = await site.open();
    await isReady(page);
    const stored = await sharp(chelsea).rotate(-90).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    await givePicture(page, made("phone.jpg", stored));
    await page.getByAltText("phone.jpg").waitFor();
    await page.locator(".best", { hasText: "cat" }).waitFor();
    await page.getByText("Turn the photo as its EXIF data says").waitFor();
    const frame = (await page.locator(".picture").boundingBox())!;
    expect(frame.width / frame.height).toBeCloseTo(451 / 300, 2);
  });

  test("the map is overlayCam's", async () => {
    await using classifier = await load({ backend: "wasm" });
    const cam = await classifier.cam(chelsea);
    const page = await site.open();
    const map = page.locator(".heat");
    await expect.poll(() => map.evaluate((canvas: HTMLCanvasElement) => canvas.width)).toBe(512);
    const [width, height] = [512, 341];
    const [across, down] = [width / 451, height / 300];
    const { left, top, ...size } = cam.area;
    const area = { left: left * across, top: top * down, width: size.width * across, height: size.height * down };
    const black = { width, height, data: new Uint8Array(width * height * 3) };
    const expected = overlayCam({ pixels: black, map: cam.map, area }, { opacity: 1 });
    const shown = await map.evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return Array.from(data);
    });
    expect(Buffer.from(shown).equals(Buffer.from(expected.data))).toBe(true);
  });

  test("the camera is classified frame by frame, and stops", async () => {
    const page = await site.open({ prepare: (page) => page.addInitScript(filmPhoto) });
    await page.locator(".best", { hasText: "cat" }).waitFor();
    await page.getByRole("button", { name: "Camera" }).click();
    await page.getByText(/\d fps/).waitFor();
    await page.locator(".best", { hasText: "ship" }).waitFor();
    await expect.poll(() => page.locator(".heat").evaluate((canvas) => getComputedStyle(canvas).opacity)).toBe("0.55");
    await page.getByRole("button", { name: "Stop the camera" }).click();
    await page.getByText("Drop a picture anywhere").waitFor();
  });

  test("a camera that is not allowed is a sentence", async () => {
    const page = await site.open({ prepare: (page) => page.addInitScript(refuseCamera) });
    await isReady(page);
    await page.getByRole("button", { name: "Camera" }).click();
    const alert = page.getByRole("alert");
    expect(await alert.textContent()).toContain("The browser has not allowed the camera; allow it beside the page's");
  });

  const wrong: readonly (readonly [kind: string, file: MadeFile, sentence: RegExp])[] = [
    [
      "a text named .jpg",
      made("notes.jpg", Buffer.from("these are notes")),
      /This file cannot be read.*notes\.jpg: found/s,
    ],
    ["a photo of 100 megapixels", made("large.png", ofSize(10_000)), /large\.png: found 10000 x 10000.*shrink it/s],
    ["half a photo", made("half.png", chelsea.subarray(0, 100_000)), /half\.png: found 100000 bytes.*the file is cut/s],
  ];

  test("a bad file is a sentence, and the next picture is classified", async () => {
    const page = await site.open();
    await isReady(page);
    for (const [kind, file, sentence] of wrong) {
      await givePicture(page, file);
      expect(await page.getByRole("alert").textContent(), kind).toMatch(sentence);
      await givePicture(page, `${photos}rocket.jpg`);
      await page.locator(".best", { hasText: "ship" }).waitFor();
      await page.getByRole("alert").waitFor({ state: "detached" });
    }
  });
});

/** In the page: a camera that films a photo, since the browser for tests has none. */
function filmPhoto(): void {
  navigator.mediaDevices.getUserMedia = async () => {
    const image = new Image();
    image.src = "./photos/rocket.jpg";
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    const draw = () => canvas.getContext("2d")!.drawImage(image, 0, 0);
    draw();
    setInterval(draw, 50);
    return canvas.captureStream();
  };
}

function refuseCamera(): void {
  navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("Permission denied", "NotAllowedError");
  };
}

/** A PNG whose header says that its sides are so long: it is refused before a pixel is read. */
function ofSize(side: number): Buffer {
  const png = Buffer.from(chelsea);
  png.writeUInt32BE(side, 16);
  png.writeUInt32BE(side, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}

/** Pastes or drops a file, as the browser tells the page of it. */
async function give(page: Page, how: "paste" | "drop", name: string, bytes: Buffer): Promise<void> {
  await page.evaluate(
    ({ how, name, bytes }) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], name));
      const init = { bubbles: true, cancelable: true };
      const event =
        how === "paste"
          ? new ClipboardEvent("paste", { ...init, clipboardData: data })
          : new DragEvent("drop", { ...init, dataTransfer: data });
      document.body.dispatchEvent(event);
    },
    { how, name, bytes: [...bytes] },
  );
}
