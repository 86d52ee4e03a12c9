import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pixelmatch from "pixelmatch";
import type { Page } from "playwright";
import sharp from "sharp";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { givePicture, isReady, photos, type Site, startSite } from "./site.ts";

// What the page looks like. After a change that is meant: UPDATE_GOLDEN=1 pnpm exec vitest run tests/golden.test.ts
// writes these pictures again, and those of the README; look at each.

const isUpdate = process.env.UPDATE_GOLDEN === "1";
const golden = fileURLToPath(new URL("golden/", import.meta.url));
const docs = fileURLToPath(new URL("../../../docs/pictures/", import.meta.url));

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

/** Of slow changes only, so that the golden pictures are small. */
const gradient = await sharp({
  create: { width: 480, height: 320, channels: 3, background: "#c8d4e8" },
})
  .composite([
    { input: Buffer.from('<svg width="480" height="320"><circle cx="240" cy="170" r="90" fill="#a4542c"/></svg>') },
  ])
  .png()
  .toBuffer();

const looks = (["light", "dark"] as const).flatMap((theme) =>
  (["desktop", "phone"] as const).map((screen) => ({ theme, screen })),
);

/** What changes from run to run. */
const volatile =
  ".times, .steps b { display: none } .compare-figures > :last-child, " +
  ":is([data-column=Load], [data-column='First run'], [data-column^=Median]) > div { display: none } " +
  ".inside-check { visibility: hidden }";

test.each(looks)("classify and the network's dialog look as they did: $theme, $screen", async (look) => {
  const page = await site.open({ ...look, isKept: true });
  await givePicture(page, { name: "disc.png", mimeType: "image/png", buffer: gradient });
  await page.getByAltText("disc.png").waitFor();
  await atRest(page);
  await compare(page, `classify-${look.theme}-${look.screen}`, true);
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByRole("radio", { name: "By name" }).check();
  await page.getByRole("radio", { name: "torchvision/resnet18.v1" }).check();
  await compare(page, `network-${look.theme}-${look.screen}`, false);
});

test.each([
  { theme: "light", screen: "desktop" },
  { theme: "dark", screen: "phone" },
] as const)("a comparison with a fault looks as it did: $theme, $screen", async (look) => {
  const page = await site.open({ ...look, at: "#compare", isKept: true });
  await compareOn(page, ["wasm", "Break one on purpose"]);
  await atRest(page);
  await compare(page, `compare-${look.theme}-${look.screen}`, true);
});

test.each([
  { theme: "light", screen: "desktop" },
  { theme: "dark", screen: "phone" },
] as const)("the products of a number look as they did: $theme, $screen", async (look) => {
  const page = await site.open({ ...look, isKept: true });
  await givePicture(page, { name: "disc.png", mimeType: "image/png", buffer: gradient });
  await page.getByAltText("disc.png").waitFor();
  await isReady(page);
  await page.getByRole("link", { name: "Look inside" }).click();
  await page.getByRole("button", { name: /: layer1\.0\.conv1, / }).press("Enter");
  await page.getByText("All of them sum to").waitFor();
  await page.waitForFunction(() => document.querySelector("canvas[style]:not([data-painted])") === null);
  await atRest(page);
  await compare(page, `inside-${look.theme}-${look.screen}`, true);
});

/** Compares these backends and no others. */
async function compareOn(page: Page, backends: readonly string[]): Promise<void> {
  await isReady(page);
  await page.getByRole("checkbox", { name: /^webgpu/ }).uncheck();
  for (const name of backends) await page.getByRole("checkbox", { name: new RegExp(`^${name}\\b(?!-)`) }).check();
  await page.getByRole("button", { name: /^(Compare|Run) \d/ }).click();
  await page.locator(".outcome", { hasText: /./ }).waitFor({ timeout: 280_000 });
}

async function atRest(page: Page): Promise<void> {
  await page.getByText("Kept for use offline").waitFor();
  await isReady(page);
  await page.evaluate(async () => {
    await document.fonts.ready;
    await Promise.all([...document.images].map((image) => image.decode()));
  });
  await page.mouse.move(0, 0);
}

async function compare(page: Page, name: string, fullPage: boolean): Promise<void> {
  const found = await page.screenshot({ fullPage, style: volatile, animations: "disabled", caret: "hide" });
  const file = `${golden}${name}.png`;
  if (isUpdate) {
    await mkdir(golden, { recursive: true });
    await writeFile(file, await sharp(found).png({ compressionLevel: 9 }).toBuffer());
  }
  const [now, then] = await Promise.all([pixelsOf(found), pixelsOf(await readFile(file))]);
  expect(now.size, name).toEqual(then.size);
  const { width, height } = now.size;
  // pixels that differ by anti-aliasing alone do not count
  const differing = pixelmatch(now.data, then.data, undefined, width, height, { threshold: 0.1 });
  expect(differing, `${name}: pixels that differ from ${file}`).toBe(0);
}

async function pixelsOf(png: Buffer): Promise<{ data: Buffer; size: { width: number; height: number } }> {
  const { data, info } = await sharp(png).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, size: { width: info.width, height: info.height } };
}

/** The pictures of the READMEs: a photo, with the times of this machine. */
if (isUpdate) {
  test.each([
    { name: "light", theme: "light", screen: "desktop" },
    { name: "dark", theme: "dark", screen: "desktop" },
    { name: "phone", theme: "light", screen: "phone" },
  ] as const)("the README's picture is made: $name", async ({ name, ...look }) => {
    const page = await site.open({ ...look, isKept: true, context: { deviceScaleFactor: 2 } });
    await page.locator(".best", { hasText: "cat" }).waitFor();
    await atRest(page);
    await sharp(await page.screenshot({ animations: "disabled" }))
      .resize({ width: look.screen === "phone" ? 585 : 1600 })
      .webp({ quality: 86 })
      .toFile(`${docs}playground-${name}.webp`);
  });

  test.each(["light", "dark"] as const)("the picture of a comparison is made: %s", async (theme) => {
    const page = await site.open({ theme, at: "#compare", isKept: true, context: { deviceScaleFactor: 2 } });
    const backends = ["wasm", "webgpu", "onnx", "tfjs-wasm", "tfjs-webgl", "Break one on purpose"];
    await compareOn(page, backends);
    await atRest(page);
    const [above, below] = [
      await page.locator(".card", { has: page.locator(".results") }).boundingBox(),
      await page.locator(".compare-figures").boundingBox(),
    ];
    const clip = { x: 0, y: above!.y - 24, width: 1280, height: below!.y + below!.height - above!.y + 48 };
    await sharp(await page.screenshot({ animations: "disabled", fullPage: true, clip }))
      .resize({ width: 1600 })
      .webp({ quality: 86 })
      .toFile(`${docs}playground-compare-${theme}.webp`);
  });

  test.each(["light", "dark"] as const)("the picture of a number is made: %s", async (theme) => {
    const page = await site.open({ theme, at: "#inside", isKept: true, context: { deviceScaleFactor: 2 } });
    await page.getByRole("button", { name: /: layer1\.1\.conv1, / }).click();
    await page.getByText("All of them sum to").waitFor();
    await atRest(page);
    const [first, last] = [page.locator(".inside-detail .card").nth(1), page.locator(".inside-detail .card").last()];
    const [above, below] = [await first.boundingBox(), await last.boundingBox()];
    const clip = {
      x: above!.x - 16,
      y: above!.y - 16,
      width: above!.width + 32,
      height: below!.y + below!.height - above!.y + 32,
    };
    await sharp(await page.screenshot({ animations: "disabled", fullPage: true, clip }))
      .resize({ width: 1280 })
      .webp({ quality: 86 })
      .toFile(`${docs}playground-inside-${theme}.webp`);
  });

  test.each(["light", "dark"] as const)("the picture of what classes want to see is made: %s", async (theme) => {
    const page = await site.open({ theme, at: "#inside", isKept: true, context: { deviceScaleFactor: 2 } });
    await isReady(page);
    await page.getByRole("button", { name: /: fc, / }).press("Enter");
    await page.getByRole("option", { name: /deer/ }).click();
    const card = page.getByRole("region", { name: "What deer wants to see" });
    await card.getByRole("button", { name: "Draw it" }).click();
    await card.locator("[data-steps='96']").waitFor({ timeout: 60_000 });
    await atRest(page);
    const png = await card.screenshot({ animations: "disabled" });
    await sharp(png).resize({ width: 1280 }).webp({ quality: 86 }).toFile(`${docs}playground-wanted-${theme}.webp`);
  });

  test.each(["light", "dark"] as const)("the picture of a training is made: %s", async (theme) => {
    const page = await site.open({ theme, at: "#train", isKept: true, context: { deviceScaleFactor: 2 } });
    await isReady(page);
    const folder = await mkdtemp(join(tmpdir(), "residual-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    for (const name of ["chelsea.png", "coffee.png", "rocket.jpg"]) await writeCrops(name, folder);
    await page.getByLabel("Folder with a subfolder for each class").setInputFiles(folder);
    await page.getByText("rocket").waitFor();
    await isReady(page);
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.getByText("are recognised").waitFor({ timeout: 60_000 });
    await page
      .getByRole("button", { name: / taken for / })
      .first()
      .click();
    await atRest(page);
    const box = await page.locator(".train").boundingBox();
    const clip = { x: 0, y: box!.y - 16, width: 1280, height: box!.height + 32 };
    await sharp(await page.screenshot({ animations: "disabled", fullPage: true, clip }))
      .resize({ width: 1600 })
      .webp({ quality: 86 })
      .toFile(`${docs}playground-train-${theme}.webp`);
  });

  /** A folder with crops of a photo. */
  const writeCrops = async (photo: string, folder: string): Promise<void> => {
    const label = photo.replace(/\..*/, "");
    await mkdir(join(folder, label));
    const { width, height } = await sharp(photos + photo).metadata();
    const side = Math.floor(0.7 * Math.min(width, height));
    for (let i = 0; i < 12; i++) {
      const [left, top] = [((i * 7) % 12) / 12, ((i * 5) % 12) / 12];
      const crop = { left: Math.floor(left * (width - side)), top: Math.floor(top * (height - side)) };
      const picture = sharp(photos + photo).extract({ ...crop, width: side, height: side });
      await picture
        .resize(160)
        .jpeg()
        .toFile(join(folder, label, `${i}.jpg`));
    }
  };
}
