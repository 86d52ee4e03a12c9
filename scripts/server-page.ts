/** The picture of the server's page in its README: `pnpm exec node scripts/server-page.ts`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chromium } from "playwright";
import sharp from "sharp";
import { launchOptions } from "../chromium.ts";

const words = ["packages/cli/bin/residual.js", "serve", "--port", "0", "--no-log", "--json"];
const server = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
const browser = await chromium.launch(await launchOptions());
try {
  const [text] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
  const { url } = JSON.parse(text) as { readonly url: string };
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport: { width: 390, height: 700 }, colorScheme });
    await page.goto(url);
    await page.setInputFiles("#file", "photos/chelsea.png");
    await page.locator("#classes li").nth(4).waitFor();
    await page.locator("#status").evaluate((status) => {
      status.textContent = status.textContent.replace(/, .*/, ""); // the time would change the picture
    });
    await sharp(await page.screenshot())
      .png({ palette: true })
      .toFile(`docs/pictures/server-${colorScheme}.png`);
  }
} finally {
  await browser.close();
  server.kill();
}
