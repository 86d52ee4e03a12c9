import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright";
import { preview } from "vite";
import { expect, onTestFinished } from "vitest";
import { launchOptions } from "../../../chromium.ts";

/** The built page, served and opened in Chromium for tests. */

const root = fileURLToPath(new URL("..", import.meta.url));
export const photos: string = fileURLToPath(new URL("../../../photos/", import.meta.url));

export interface SiteOptions {
  /** Whether the page is cross-origin isolated, as threads of WebAssembly need it. Default: not. */
  readonly isIsolated?: boolean;
  readonly headers?: { readonly [name: string]: string };
  /** The folder that is served. Default: what the build wrote. */
  readonly folder?: string;
}

const screens = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
} as const;

interface OpenOptions {
  readonly screen?: keyof typeof screens;
  readonly theme?: "light" | "dark";
  /** The part of the address after the page: `#compare`. */
  readonly at?: string;
  /** Messages on the console that the test expects. Any other error there fails the test. */
  readonly expected?: RegExp;
  /** Whether the page's service worker keeps it for use offline. Default: not, which is quicker. */
  readonly isKept?: boolean;
  readonly context?: BrowserContextOptions;
  /** Called before the page is fetched, such as to route its requests. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly browser: Browser;
  /** A page in a new context. It is closed after the test. The test fails if the console has an error. */
  open(options?: OpenOptions): Promise<Page>;
}

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Serves what the build wrote. One for a file of tests: a browser takes a second to start. */
export async function startSite({ isIsolated = false, headers = {}, folder }: SiteOptions = {}): Promise<Site> {
  const server = await preview({
    root,
    ...(folder !== undefined && { build: { outDir: folder } }),
    preview: { port: 0, headers: { ...(isIsolated && isolation), ...headers } },
    logLevel: "error",
  });
  const browser = await chromium.launch(await launchOptions());
  const url = server.resolvedUrls!.local[0]!;
  return {
    url,
    browser,
    open: (options = {}) => openPage(browser, url, options),
    async [Symbol.asyncDispose]() {
      await browser.close();
      await server.close();
    },
  };
}

async function openPage(browser: Browser, url: string, options: OpenOptions): Promise<Page> {
  const { screen = "desktop", theme = "light", at = "", expected, isKept, context: more, prepare } = options;
  const context = await browser.newContext({
    ...screens[screen],
    colorScheme: theme,
    reducedMotion: "reduce",
    locale: "en-GB",
    serviceWorkers: isKept ? "allow" : "block",
    ...more,
  });
  const page = await context.newPage();
  const found: string[] = [];
  page.on("console", (message) => message.type() === "error" && found.push(message.text()));
  page.on("pageerror", (error) => found.push(error.message));
  onTestFinished(async () => {
    await context.close();
    expect(found.filter((text) => !expected?.test(text))).toEqual([]);
  });
  await prepare?.(page);
  await page.goto(url + at);
  return page;
}

/** Waits until the network is loaded and the page is at rest. */
export async function isReady(page: Page): Promise<void> {
  await page.locator("html[data-ready]").waitFor();
}

/** A file that is made here. */
export interface MadeFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

/** Gives the page a picture, as a person does with the button. */
export async function givePicture(page: Page, file: string | MadeFile): Promise<void> {
  await page.getByLabel("Picture", { exact: true }).setInputFiles(file);
}

/** The classes that the page shows, likeliest first, with the probabilities in float32. */
export async function shownClasses(page: Page): Promise<readonly (readonly [label: string, probability: number])[]> {
  const rows = await page.getByRole("list", { name: "Top five" }).getByRole("listitem").all();
  return Promise.all(
    rows.map(async (row) => {
      const label = await row.locator(".label").textContent();
      return [label!, Math.fround(Number(await row.locator("data").getAttribute("value")))] as const;
    }),
  );
}
