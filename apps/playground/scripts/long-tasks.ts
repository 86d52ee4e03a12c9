import { fileURLToPath } from "node:url";
import { shippedWeights } from "@residual/weights";
import { chromium } from "playwright";
import { preview } from "vite";
import { launchOptions } from "../../../chromium.ts";
import { changeNetwork, classifyPictures } from "../tests/growth.ts";
import { isReady } from "../tests/site.ts";

// The longest task of the page's thread in each room while it works, in milliseconds of wall time; 0: none above 50.
// Run on an idle machine, after a build: node --conditions=@residual/source scripts/long-tasks.ts

const root = fileURLToPath(new URL("..", import.meta.url));
const server = await preview({ root, preview: { port: 0 }, logLevel: "error" });
const browser = await chromium.launch(await launchOptions());
let longest = 0;
try {
  const page = await browser.newPage();
  await page.exposeFunction("tellTask", (ms: number) => {
    longest = Math.max(longest, ms);
  });
  await page.addInitScript(`
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => tellTask(duration)))
      .observe({ type: "longtask", buffered: true });
  `);
  const measured = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    longest = 0;
    await work();
    await page.waitForTimeout(500); // tasks are told a little later
    console.log(`${what}: ${longest.toFixed(0)} ms`);
  };
  await measured("opening", async () => {
    await page.goto(server.resolvedUrls!.local[0]!);
    await isReady(page);
  });
  await measured("50 pictures", () => classifyPictures(page, 50));
  await measured("20 networks", () => changeNetwork(page, 20, fileURLToPath(shippedWeights.url)));
  await measured("Look inside", async () => {
    await page.getByRole("link", { name: "Look inside" }).click();
    await page.getByRole("button", { name: /: layer1\.1\.conv1, / }).click();
    await page.getByText("All of them sum to").waitFor();
  });
  await measured("Compare", async () => {
    await page.getByRole("link", { name: "Compare" }).click();
    const boxes = page.locator(".engine input[type=checkbox]");
    for (const box of await boxes.all()) await box.check();
    await page.getByRole("button", { name: /^Compare \d/ }).click();
    await page.getByRole("button", { name: /^Compare \d/ }).waitFor({ timeout: 300_000 });
  });
} finally {
  await browser.close();
  await server.close();
}
