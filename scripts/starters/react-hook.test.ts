import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page, Route } from "playwright";
import { preview } from "vite";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { complaintsOf, open } from "./chromium.ts";
import { Program, photo } from "./starter.ts";

const cat = { name: "cat.png", mimeType: "image/png", buffer: photo("chelsea.png") };
const ship = { name: "ship.jpg", mimeType: "image/jpeg", buffer: photo("rocket.jpg") };
const noPicture = { name: "cat.png", mimeType: "image/png", buffer: Buffer.from("hello") };
const weights = "**/*.safetensors*";

let browser: Browser;
let program: Program;
let url: string;
beforeAll(async () => {
  program = new Program("react-hook", "start"); // React's development build: StrictMode mounts twice
  [browser, url] = await Promise.all([open(), program.url()]);
});
afterAll(async () => {
  await Promise.all([program.stop(), browser.close()]);
});

async function openPage(address: string, where = "worker"): Promise<{ page: Page; complaints: readonly string[] }> {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  const complaints = complaintsOf(page);
  await page.goto(address);
  await page.getByRole("button", { name: where }).click();
  return { page, complaints };
}

const choose = (page: Page, file: typeof cat) => page.getByLabel("Picture").setInputFiles(file);
const classOf = (page: Page) => page.getByRole("listitem").first().textContent();

/** Counts the pictures that are posted to workers, in the global `pictures`. */
const countPosts = `
  globalThis.pictures = 0;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if ("picture" in message) pictures++;
    return post.call(this, message, ...rest);
  };
`;

describe.each([
  ["worker", 1],
  ["page", 0],
] as const)("in the %s", (where, workers) => {
  it("classifies one picture after another, and frees what it holds when it is unmounted", async () => {
    const { page, complaints } = await openPage(url, where);
    await choose(page, cat);
    expect(await classOf(page)).toBe("cat 98.2 %");
    await choose(page, ship);
    await page.getByText(/^ship /).waitFor();
    expect(page.workers()).toHaveLength(workers);
    await page.getByRole("button", { name: "nowhere" }).click();
    await expect.poll(() => page.workers()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it("tells what is wrong with a picture, and takes the next", async () => {
    const { page, complaints } = await openPage(url, where);
    await choose(page, noPicture);
    expect(await page.getByRole("alert").textContent()).toMatch(/^FormatError: .*"hello", expected JPEG/);
    await choose(page, cat);
    expect(await classOf(page)).toBe("cat 98.2 %");
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("drops a cancelled picture", async () => {
    const { page } = await openPage(url, where);
    await choose(page, cat);
    await classOf(page);
    const isIdle = await page.getByLabel("Picture").evaluate(async (input) => {
      const list = document.querySelector("ol")!;
      const cancel = document.querySelector<HTMLButtonElement>("button:not([aria-pressed])")!;
      input.dispatchEvent(new Event("change", { bubbles: true })); // the cat again
      await Promise.resolve(); // React renders; no answer comes before the next task
      cancel.click();
      await Promise.resolve();
      new MutationObserver(() => {
        document.title += list.textContent;
      }).observe(list, { childList: true });
      return cancel.disabled;
    });
    expect(isIdle).toBe(true);
    await choose(page, ship);
    await page.getByText(/^ship /).waitFor();
    expect(await page.title()).not.toContain("cat");
  });

  it("shows that it loads; a picture waits for the model", async () => {
    const held = Promise.withResolvers<Route>();
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    await context.route(weights, held.resolve);
    const page = await context.newPage();
    await page.goto(url);
    await page.getByRole("button", { name: where }).click();
    await page.getByRole("progressbar", { name: "Loading the model" }).waitFor();
    await choose(page, cat);
    await (await held.promise).continue();
    expect(await classOf(page)).toBe("cat 98.2 %");
    expect(await page.getByRole("progressbar").count()).toBe(0);
  });

  it("of the pictures that wait for the model only the last is classified", async () => {
    const held = Promise.withResolvers<Route>();
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    await context.route(weights, held.resolve);
    const page = await context.newPage();
    await page.addInitScript(countPosts);
    await page.goto(url);
    await page.getByRole("button", { name: where }).click();
    const route = await held.promise;
    for (let i = 0; i < 20; i++) await choose(page, cat);
    await choose(page, ship);
    await route.continue();
    expect(await classOf(page)).toMatch(/^ship /);
    expect(await page.evaluate("pictures")).toBe(workers);
  });

  it("opening ends with an AbortError when it is aborted", async () => {
    const { page } = await openPage(url, "nowhere");
    const name = await page.evaluate(`import("/src/open.ts").then(({ open }) => {
      const aborting = new AbortController();
      const opening = open["${where}"]({}, { signal: aborting.signal });
      aborting.abort();
      return opening.then(String, ({ name }) => name);
    })`);
    expect(name).toBe("AbortError");
  });

  it("tells what is wrong with the weights", async () => {
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    await context.route(weights, (route) => route.fulfill({ status: 404 }));
    const page = await context.newPage();
    await page.goto(url);
    await page.getByRole("button", { name: where }).click();
    expect(await page.getByRole("alert").textContent()).toMatch(/^WeightsError: .*404 Not Found/);
  });
});

it("the built page classifies too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "residual-react-hook-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(await new Program("react-hook", "build", ["--outDir", folder]).ended()).toBe(0);
  const server = await preview({ root: folder, build: { outDir: "." }, preview: { port: 0 }, logLevel: "error" });
  onTestFinished(() => server.close());
  const { page, complaints } = await openPage(server.resolvedUrls!.local[0]!);
  await choose(page, cat);
  expect(await classOf(page)).toBe("cat 98.2 %");
  expect(complaints).toEqual([]);
});
