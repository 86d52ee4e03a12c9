import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright";
import { preview } from "vite";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { complaintsOf, open } from "./chromium.ts";
import { Program, photo } from "./starter.ts";

const cat = { name: "cat.png", mimeType: "image/png", buffer: photo("chelsea.png") };
const noPicture = { name: "cat.png", mimeType: "image/png", buffer: Buffer.from("hello") };

let browser: Browser;
beforeAll(async () => {
  browser = await open();
});
afterAll(() => browser.close());

async function served(): Promise<{ url: string; program: Program }> {
  const program = new Program("service-worker", "start");
  onTestFinished(async () => void (await program.stop()));
  return { url: await program.url(), program };
}

/** A folder of the built files. */
async function built(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "residual-service-worker-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(await new Program("service-worker", "build", [`--outdir=${folder}`]).ended()).toBe(0);
  return folder;
}

async function openPage(url: string): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** What the page says of a picture, once its worker controls it. */
async function answer(page: Page, file: typeof cat): Promise<string | null> {
  const said = page.waitForResponse((response) => response.url().endsWith("/classify"));
  await page.locator("input:enabled").setInputFiles(file);
  expect((await said).fromServiceWorker()).toBe(true);
  return (await statusOf(page)).textContent();
}

async function statusOf(page: Page) {
  const status = page.getByRole("status").filter({ hasText: /./ });
  await status.waitFor();
  return status;
}

it("classifies at the first visit, and tells what is wrong with a picture", async () => {
  const { url } = await served();
  const page = await openPage(url);
  const complaints = complaintsOf(page);
  expect(await answer(page, cat)).toMatch(/^cat 98.2 %, /);
  expect(complaints).toEqual([]);
  const text = page.waitForResponse((response) => response.status() === 415);
  await page.locator("input:enabled").setInputFiles(noPicture);
  expect(await (await text).json()).toMatchObject({ code: "FormatError" });
  await page.getByText(/^FormatError: .*"hello", expected JPEG/).waitFor();
  await page.locator("input:enabled").setInputFiles(cat);
  await page.getByText(/^cat 98.2 %, /).waitFor();
});

it("classifies offline, in a worker that the browser has ended meanwhile", async () => {
  const { url, program } = await served();
  const page = await openPage(url);
  await page.locator("input:enabled").waitFor(); // nothing is classified yet
  await program.stop();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("ServiceWorker.enable");
  await devtools.send("ServiceWorker.stopAllWorkers");
  await page.reload();
  expect(await answer(page, cat)).toMatch(/^cat 98.2 %, /);
});

it("keeps working while its server fails", async () => {
  const folder = await built();
  let isFailing = false;
  const server = createServer(({ url }, response) => {
    const path = join(folder, url === "/" ? "index.html" : url!);
    if (isFailing || !existsSync(path)) return response.writeHead(502).end("Bad Gateway");
    const type = { ".html": "text/html", ".js": "text/javascript" }[extname(path)] ?? "application/octet-stream";
    return response.writeHead(200, { "content-type": type }).end(readFileSync(path));
  });
  onTestFinished(() => void server.close());
  server.listen(0);
  await once(server, "listening");
  const page = await openPage(`http://localhost:${(server.address() as AddressInfo).port}/`);
  await page.locator("input:enabled").waitFor();
  isFailing = true;
  for (let visit = 0; visit < 2; visit++) {
    await page.reload();
    expect(await answer(page, cat)).toMatch(/^cat 98.2 %, /);
  }
});

it("classifies on a page that was reloaded past its worker", async () => {
  const { url } = await served();
  const page = await openPage(url);
  await page.locator("input:enabled").waitFor();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.enable");
  const loaded = page.waitForEvent("load");
  await devtools.send("Page.reload", { ignoreCache: true });
  await loaded;
  expect(await answer(page, cat)).toMatch(/^cat 98.2 %, /);
});

it("says so where a file is missing at the first visit", async () => {
  const folder = await built();
  rmSync(join(folder, "resnet20-cifar10.safetensors"));
  const options = { root: folder, appType: "mpa", build: { outDir: "." }, logLevel: "error" } as const;
  const server = await preview({ ...options, preview: { port: 0 } });
  onTestFinished(() => server.close());
  const page = await openPage(server.resolvedUrls!.local[0]!);
  expect(await (await statusOf(page)).textContent()).toBe(
    "The service worker was not installed: a file could not be fetched; reload the page",
  );
  expect(await page.getByLabel("Picture").isDisabled()).toBe(true);
});

it("a service worker has WebGL and WebGPU in Chromium, but neither workers nor import()", async () => {
  const { url } = await served();
  const page = await openPage(url);
  await page.locator("input:enabled").waitFor();
  const [worker] = page.context().serviceWorkers();
  const found = await worker!.evaluate<readonly [string, string, string, string]>(
    `import("./sw.js").catch(String).then((imported) =>
      [String(new OffscreenCanvas(1, 1).getContext("webgl")), typeof navigator.gpu, typeof Worker, imported])`,
  );
  const refused = expect.stringContaining("import() is disallowed") as string;
  expect(found).toEqual(["[object WebGLRenderingContext]", "object", "undefined", refused]);
});
