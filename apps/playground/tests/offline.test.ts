import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givePicture, isReady, photos, type Site, startSite } from "./site.ts";

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

test("after the first visit the page classifies offline, with webgpu and with a backend that was used", async () => {
  const page = await site.open({ isKept: true });
  await page.getByText("Kept for use offline").waitFor();
  await isReady(page);
  await choose(page, "tfjs-wasm");
  await page.context().setOffline(true);
  await page.reload();
  await page.locator(".best", { hasText: "cat" }).waitFor();
  await givePicture(page, `${photos}rocket.jpg`);
  await page.locator(".best", { hasText: "ship" }).waitFor();
  for (const [room, heading] of [
    ["Compare", "Compare"],
    ["Look inside", "Look inside"],
    ["Train", "Train"],
  ] as const) {
    await page.getByRole("link", { name: room }).click();
    await page
      .getByRole("region", { name: heading })
      .or(page.getByRole("heading", { name: heading }))
      .first()
      .waitFor();
  }
  await page.getByRole("link", { name: "Classify" }).click();
  for (const backend of ["tfjs-wasm", "webgpu"]) await choose(page, backend);
});

test("a backend that was never fetched is a sentence without a network", async () => {
  const page = await site.open({ isKept: true, expected: /ERR_INTERNET_DISCONNECTED|Failed to/ });
  await page.getByText("Kept for use offline").waitFor();
  await isReady(page);
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByRole("radio", { name: /^tfjs-webgl / }).check();
  await page.getByRole("button", { name: "Load", exact: true }).click();
  const words = await page.getByRole("alert").textContent();
  expect(words).toMatch(/could not be fetched \(@residual\/tfjs .* go online, and try again/);
  expect(words).not.toContain("npm install");
  await page.locator(".network dd", { hasText: "wasm, chosen by auto" }).waitFor();
});

test("a page whose worker is not fetched says so", async () => {
  const page = await site.open({
    prepare: (page) => page.context().route(/worker-[^/]*\.js/, (route) => route.abort()),
    expected: /ERR_FAILED/,
  });
  expect(await page.getByRole("alert").textContent()).toContain("The server is not reached");
});

test("a newer version of the page is announced, opens when it is asked for, and has what was kept before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "playground-"));
  try {
    await cp(fileURLToPath(new URL("../dist/", import.meta.url)), folder, { recursive: true });
    const change = async (name: string, from: RegExp, to: string) => {
      const text = await readFile(join(folder, name), "utf8");
      expect(text).toMatch(from);
      await writeFile(join(folder, name), text.replace(from, to));
    };
    await using changing = await startSite({ folder });
    const page = await changing.open({ isKept: true });
    await page.getByText("Kept for use offline").waitFor();
    await isReady(page);
    await choose(page, "tfjs-wasm");
    const update = async (name: string) => {
      await change("index.html", /<title>[^<]*/, `<title>${name}`);
      await change("service-worker.js", /VERSION = "[^"]*"/, `VERSION = "${name}"`);
      await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())!.update());
      await page.getByText("A newer version of this page is ready").waitFor();
      expect(await page.title()).not.toBe(name);
      await page.getByRole("button", { name: "Reload" }).click();
      await page.waitForFunction(`document.title === "${name}"`);
      await page.locator(".best", { hasText: "cat" }).waitFor();
      await isReady(page);
    };
    await update("Newer");
    await page.context().setOffline(true);
    await choose(page, "tfjs-wasm");
    await page.context().setOffline(false);
    await update("Newest");
    expect(await keptVersions(page)).toEqual(["playground-Newer", "playground-Newest"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function choose(page: Page, backend: string): Promise<void> {
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByRole("radio", { name: new RegExp(`^${backend} `) }).check();
  await page.getByRole("button", { name: "Load", exact: true }).click();
  await page.locator(".network dd", { hasText: backend }).waitFor();
}

function keptVersions(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith("playground-")));
}
