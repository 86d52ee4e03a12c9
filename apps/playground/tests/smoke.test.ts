import { afterAll, beforeAll, expect, test } from "vitest";
import { isReady, photos, type Site, startSite } from "./site.ts";

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

test("a photo is classified", async () => {
  const page = await site.open();
  await isReady(page);
  await page.getByLabel("Picture", { exact: true }).setInputFiles(`${photos}chelsea.png`);
  await page.getByText("cat").waitFor();
  expect(await page.locator("li").first().textContent()).toContain("cat");
});
