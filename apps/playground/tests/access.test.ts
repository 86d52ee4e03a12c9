import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givePicture, isReady, photos, type Site, startSite } from "./site.ts";
import { isSound } from "./sound.ts";

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

test.each(["desktop", "phone"] as const)("axe finds nothing in any room, and nothing overflows: %s", async (screen) => {
  const page = await site.open({ screen });
  await isReady(page);
  await isSound(page, "classify");
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByRole("radio", { name: "By name" }).check();
  await page.getByRole("radio", { name: "torchvision/resnet18.v1" }).waitFor();
  await isSound(page, "the list of weights", "dialog");
  await page.getByRole("radio", { name: "From a file" }).check();
  await isSound(page, "a file of weights", "dialog");
  await page.keyboard.press("Escape");
  await givePicture(page, { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("these are notes") });
  await page.getByRole("alert").waitFor();
  await isSound(page, "an error, and no picture", "main");
  for (const room of ["Compare", "Look inside", "Train"]) {
    await page.getByRole("link", { name: room }).click();
    await page.locator(".room-loading").waitFor({ state: "detached" });
    await isReady(page);
    await isSound(page, room, "main");
  }
});

test("the keyboard alone changes the picture, the map, the theme and the backend", async () => {
  const page = await site.open();
  await isReady(page);
  const press = (...keys: readonly string[]) =>
    keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve());
  const tabTo = async (name: string) => {
    for (let i = 0; i < 60; i++) {
      await press("Tab");
      if ((await focused(page)) === name) return;
    }
    throw new Error(`Tab does not reach ${name}`);
  };
  await tabTo("As the system");
  await press("ArrowRight");
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
  await tabTo("Change");
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo("auto");
  await press("ArrowDown");
  await tabTo("Load");
  await press("Enter");
  await page.locator(".network dd", { hasText: /^wasm$/ }).waitFor();
  await isReady(page);
  await tabTo("Opacity of the map");
  await press("ArrowRight", "ArrowRight");
  expect(await page.locator(".heat").evaluate((canvas) => canvas.style.opacity)).toBe("0.57");
  await tabTo("a rocket");
  await press("Enter");
  await page.locator(".best", { hasText: "ship" }).waitFor();
  await isReady(page);
  await tabTo("airplane");
  await press("Enter");
  await page.getByText("Where the network sees airplane").waitFor();
});

/** The name, or its first words, of the element that has the focus; every such element shows that it has. */
async function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement!;
    const shown = element.closest("label") ?? element;
    const words = element.getAttribute("aria-label") ?? shown.querySelector(".label, .aloud, b, img")?.textContent;
    const name = words || shown.querySelector("img")?.alt || shown.textContent;
    return name.trim();
  });
}

test("photos are seen at their own size on a narrow screen", async () => {
  const page = await site.open({ screen: "phone" });
  await isReady(page);
  await givePicture(page, `${photos}rocket.jpg`);
  await page.locator(".best", { hasText: "ship" }).waitFor();
  const [picture, map] = await Promise.all([
    page.getByAltText("rocket.jpg").boundingBox(),
    page.locator(".heat").boundingBox(),
  ]);
  expect(picture!.width / picture!.height).toBeCloseTo(640 / 427, 1);
  expect(map).toEqual(picture);
});
