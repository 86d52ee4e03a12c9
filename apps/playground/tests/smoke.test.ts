import { afterAll, beforeAll, expect, test } from "vitest";
import { isReady, photos, type Site, startSite } from "./site.ts";

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

test("the page opens on a photo, and classifies another", async () => {
  const page = await site.open();
  await isReady(page);
  expect(await page.locator(".best").textContent()).toContain("cat");
  await page.getByLabel("Picture", { exact: true }).setInputFiles(`${photos}rocket.jpg`);
  await page.locator(".best", { hasText: "ship" }).waitFor();
});
