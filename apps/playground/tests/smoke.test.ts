import { chromium } from "playwright";
import { preview } from "vite";
import { expect, test } from "vitest";
import { launchOptions } from "../../../chromium.ts";

test("a photo is classified", async () => {
  const server = await preview({
    root: new URL("..", import.meta.url).pathname,
    preview: { port: 0 },
    logLevel: "error",
  });
  const browser = await chromium.launch(await launchOptions());
  try {
    const page = await browser.newPage();
    await page.goto(server.resolvedUrls!.local[0]!);
    await page.getByText(/cifar_resnet20 on/).waitFor();
    await page.getByLabel("Picture", { exact: true }).setInputFiles("../../photos/chelsea.png");
    await page.getByText("cat").waitFor();
    expect(await page.locator("li").first().textContent()).toContain("cat");
  } finally {
    await browser.close();
    await server.close();
  }
});
