/**
 * The pictures of packages/search/README.md: crops of the photos, searched for the cat's face, and their near
 * duplicates, as contact sheets: `pnpm exec node scripts/contact-sheet.ts`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright";
import sharp from "sharp";
import { launchOptions } from "../chromium.ts";

const folder = mkdtempSync(join(tmpdir(), "residual-contact-sheet-"));
const residual = (...words: readonly string[]) =>
  execFileSync(process.execPath, [resolve("packages/cli/bin/residual.js"), ...words], {
    cwd: folder,
    stdio: "inherit",
  });

/** Overlapping squares of a photo, half of its height. */
async function crops(name: string): Promise<void> {
  const photo = sharp(join("photos", name));
  const { width, height } = await photo.metadata();
  const side = Math.floor(height / 2);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 4; column++) {
      const [top, left] = [Math.floor((row * side) / 2), Math.floor((column * (width - side)) / 3)];
      const path = join(folder, "photos", `${name.split(".")[0]}-${row}${column}.jpg`);
      await photo.clone().extract({ left, top, width: side, height: side }).removeAlpha().jpeg().toFile(path);
    }
  }
}

async function screenshot(scheme: "light" | "dark"): Promise<void> {
  const page = await browser.newPage({ colorScheme: scheme, viewport: { width: 900, height: 560 } });
  await page.goto(pathToFileURL(join(folder, "like-cat.html")).href);
  const png = await page.screenshot();
  await sharp(png).webp({ quality: 80 }).toFile(`docs/pictures/contact-sheet-${scheme}.webp`);
  await page.close();
}

mkdirSync(join(folder, "photos"));
for (const name of ["chelsea.png", "coffee.png", "rocket.jpg"]) await crops(name);
residual("bulk", "run", "--input", "photos", "--outputs", "embedding", "--out", "out");
residual("search", "out", "photos/chelsea-11.jpg", "--top", "10", "--html", "like-cat.html");
const browser = await chromium.launch(await launchOptions());
await screenshot("light");
await screenshot("dark");
await browser.close();
rmSync(folder, { recursive: true });
