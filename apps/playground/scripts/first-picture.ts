import { chromium, type Page } from "playwright";
import { preview } from "vite";
import { launchOptions } from "../../../chromium.ts";

// How long from the page's load to the first picture's classes, from a warm cache, with the embedded weights: the
// median of several loads of the built page. And the longest task of the page's thread meanwhile.
// Run: node scripts/first-picture.ts [loads], on two cores: taskset -c 0,1 node scripts/first-picture.ts

const LOADS = Number(process.argv[2] ?? 9);
const root = new URL("..", import.meta.url).pathname;

interface Load {
  /** Milliseconds from the navigation's start. */
  readonly paint: number;
  readonly picture: number;
  readonly longestTask: number;
}

await using server = Object.assign(await preview({ root, preview: { port: 0 }, logLevel: "error" }), {
  [Symbol.asyncDispose]: () => server.close(),
});
const browser = await chromium.launch(await launchOptions());
try {
  const page = await browser.newPage();
  await page.addInitScript(observe);
  const url = server.resolvedUrls!.local[0]!;
  await load(page, url); // fills the cache
  const loads: Load[] = [];
  for (let i = 0; i < LOADS; i++) loads.push(await load(page, url));
  for (const name of ["paint", "picture", "longestTask"] as const) {
    const sorted = loads.map((each) => each[name]).toSorted((a, b) => a - b);
    const [least, median, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
    console.log(`${name}: median ${median.toFixed(0)} ms, ${least.toFixed(0)} to ${most.toFixed(0)} of ${LOADS}`);
  }
} finally {
  await browser.close();
}

/** In the page: notes when the first class is shown, and the longest task. */
function observe(): void {
  const found = { picture: 0, longestTask: 0 };
  Object.assign(globalThis, { found });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) found.longestTask = Math.max(found.longestTask, duration);
  }).observe({ type: "longtask", buffered: true });
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".results:not(.empty) .best")) return;
    observer.disconnect();
    requestAnimationFrame(() => {
      found.picture = performance.now();
    });
  }).observe(document, { childList: true, subtree: true });
}

async function load(page: Page, url: string): Promise<Load> {
  await page.goto(url);
  await page.waitForFunction("found.picture > 0");
  await page.waitForTimeout(500); // what comes after, such as the map
  const paint = 'performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0';
  return page.evaluate<Load>(`({ ...found, paint: ${paint} })`);
}
