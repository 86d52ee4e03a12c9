/**
 * How long a page's first WebGPU answer takes, with the network that is embedded, in Chromium on SwiftShader: from the
 * page's first script to the label. Cold: a browser without any cache. Cached: the same browser's next start.
 *
 *   node --conditions=@residual/source scripts/browser-start.ts [ROUNDS]     build first
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright";
import { preview } from "vite";
import { launchOptions } from "../chromium.ts";

const rounds = Number(process.argv[2] ?? 7);
const folder = mkdtempSync(join(tmpdir(), "residual-start-"));
const page = `
  const start = performance.now();
  const { load } = await import("residual");
  const imported = performance.now();
  const classifier = await load({ backend: "webgpu", weights: new URL("weights.safetensors", location.href) });
  const loaded = performance.now();
  const [best] = await classifier.classify(await (await fetch("cat.png")).blob());
  const end = performance.now();
  document.title = JSON.stringify([best.label, imported - start, loaded - imported, end - loaded, end - start]);
`;
writeFileSync(join(folder, "index.html"), '<script type="module" src="page.js"></script>');
copyFileSync("packages/weights/known/resnet20-cifar10.safetensors", join(folder, "weights.safetensors"));
copyFileSync("photos/chelsea.png", join(folder, "cat.png"));
await build({
  stdin: { contents: page, resolveDir: resolve("apps/examples") },
  outdir: folder,
  entryNames: "page",
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  external: ["onnxruntime-web", "@tensorflow/*", "webgpu"],
  logLevel: "error", // in a clone the packages are not in node_modules, whose warnings esbuild keeps to itself
});

const server = await preview({ root: folder, build: { outDir: "." }, preview: { port: 0 }, logLevel: "error" });
const [url] = server.resolvedUrls!.local;
const options = await launchOptions();

async function firstAnswer(profile: string): Promise<readonly number[]> {
  const context = await chromium.launchPersistentContext(profile, options);
  try {
    const tab = await context.newPage();
    await tab.goto(url!);
    await tab.waitForFunction("document.title !== ''", undefined, { timeout: 120_000 });
    const [label, ...times] = JSON.parse(await tab.title()) as [string, ...number[]];
    if (label !== "cat") throw new Error(`the page says ${label}`);
    return times;
  } finally {
    await context.close();
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const found: Record<"cold" | "cached", (readonly number[])[]> = { cold: [], cached: [] };
try {
  for (let round = 0; round < rounds; round++) {
    const profile = join(folder, `profile${round}`);
    for (const kind of ["cold", "cached"] as const) found[kind].push(await firstAnswer(profile));
    rmSync(profile, { recursive: true, force: true });
  }
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log("| ms, medians | import | load | classify | all | all, least and most |\n| - | - | - | - | - | - |");
for (const [kind, times] of Object.entries(found)) {
  const [imported, loaded, classified, all] = [0, 1, 2, 3].map((i) => median(times.map((each) => each[i]!)));
  const totals = times.map((each) => Math.round(each[3]!));
  const spread = `${Math.min(...totals)} to ${Math.max(...totals)}`;
  console.log(`| ${[kind, ...[imported, loaded, classified, all].map((ms) => Math.round(ms!)), spread].join(" | ")} |`);
}
