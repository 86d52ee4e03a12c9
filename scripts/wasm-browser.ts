/**
 * How long a run of @residual/wasm takes on one thread of Chromium, beside Node, by turns: medians of runs, and the
 * ratio of pairs.
 *
 *   node --conditions=@residual/source scripts/wasm-browser.ts [MODEL] [ROUNDS]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright";
import { preview } from "vite";
import { launchOptions } from "../chromium.ts";

const [model = "resnet18", rounds = "21"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "residual-wasm-"));
const program = `
  import { bind, fixtureInput, fixtureWeights, resnet, variants } from "./packages/core/src/index.ts";
  import { wasm } from "./packages/wasm/src/index.ts";
  export async function prepare(name) {
    const spec = resnet(variants[name], { input: [1, 3, 224, 224] });
    const model = await wasm({ threads: 1 }).compile(bind(spec, fixtureWeights(spec, "v1")));
    const image = fixtureInput("v1", [1, 3, 224, 224]);
    return async () => {
      const start = performance.now();
      const { logits } = await model.run({ image });
      return [performance.now() - start, ...logits.data.slice(0, 4)];
    };
  }
`;
const bundle = (text: string, outfile: string, platform: "browser" | "node") =>
  build({
    stdin: { contents: text, resolveDir: resolve("."), loader: "ts" },
    outfile: join(folder, outfile),
    bundle: true,
    format: "esm",
    platform,
    conditions: ["@residual/source"],
    logLevel: "error",
  });
await bundle(program, "node.mjs", "node");
await bundle(`${program} globalThis.prepare = prepare;`, "page.js", "browser");
writeFileSync(join(folder, "index.html"), '<script type="module" src="page.js"></script>');

type Run = () => Promise<readonly number[]>;
declare const prepare: (model: string) => Promise<Run>;
declare let run: Run;

const server = await preview({ root: folder, build: { outDir: "." }, preview: { port: 0 }, logLevel: "error" });
const browser = await chromium.launch(await launchOptions());
try {
  const page = await browser.newPage();
  await page.goto(server.resolvedUrls!.local[0]!);
  await page.waitForFunction("globalThis.prepare");
  await page.evaluate(async (name) => {
    Object.assign(globalThis, { run: await prepare(name) });
  }, model);
  const { prepare: prepareHere } = (await import(join(folder, "node.mjs"))) as { readonly prepare: typeof prepare };
  const here = await prepareHere(model);
  const there: Run = () => page.evaluate(() => run());
  for (let warm = 0; warm < 8; warm++) await Promise.all([here(), there()]);
  const pairs: [number, number][] = [];
  for (let round = 0; round < Number(rounds); round++) {
    const [[node, ...logits], [chrome, ...others]] = [await here(), await there()];
    if (logits.join() !== others.join()) throw new Error(`Node answers ${logits}, Chromium ${others}`);
    pairs.push([node!, chrome!]);
  }
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const [node, chrome] = [0, 1].map((at) => median(pairs.map((pair) => pair[at as 0 | 1])).toFixed(1));
  const ratio = median(pairs.map(([a, b]) => b / a)).toFixed(2);
  console.log(`${model}: Node ${node} ms, Chromium ${browser.version()} ${chrome} ms, ratio ${ratio}`);
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
