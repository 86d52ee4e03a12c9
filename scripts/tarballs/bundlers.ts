import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build as esbuild } from "esbuild";
import { createLogger, createServer, preview, type UserConfig, build as viteBuild } from "vite";
import { titleOf } from "./page.ts";
import { expectLine, type ProjectSpec, type Row } from "./site.ts";

/** What a page or a program needs of the registry, besides the packages. */
const runtimes = {
  "@tensorflow/tfjs-backend-wasm": "4.22.0",
  "@tensorflow/tfjs-core": "4.22.0",
  "onnxruntime-node": "1.30.0",
  "onnxruntime-web": "1.30.0",
  sharp: "0.35.5",
  webgpu: "0.6.2",
};
/** Native code, and TensorFlow.js, which calls require(): what docs/bundlers.md leaves out of a bundle for Node. */
const external = ["sharp", "onnxruntime-node", "webgpu", "@tensorflow/*"];

/** As somebody begins, with nothing that is optional; and with all of it. */
const projects = {
  alone: { name: "bundled-alone" },
  full: { name: "bundled", others: runtimes },
  webpackAlone: { name: "webpack-alone", others: { webpack: "5.113.0" } },
  webpack: { name: "webpack", others: { ...runtimes, webpack: "5.113.0" } },
};

/** esbuild bundles no files that code names by URL: the weights are told, as docs/bundlers.md says. */
const WEIGHTS = "node_modules/@residual/weights/known/resnet20-cifar10.safetensors";

function copyWeights(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, WEIGHTS), join(to, "weights.safetensors"));
}

/** Serves a folder, and opens its page. */
async function titleIn(folder: string, headers: { readonly [name: string]: string } = {}): Promise<string> {
  const settings = { port: 0, headers };
  const server = await preview({ root: folder, build: { outDir: "." }, preview: settings, logLevel: "error" });
  try {
    return await titleOf(server.resolvedUrls!.local[0]!);
  } finally {
    await server.close();
  }
}

/** The page has to say that it sees a cat. */
function expectCat(title: string): void {
  if (!/^(cat\b.*)+$/.test(title)) throw new Error(title);
}

async function withEsbuild(options: BuildOptions): Promise<void> {
  const { warnings } = await esbuild({ bundle: true, minify: true, logLevel: "silent", ...options });
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join("\n"));
}

function esbuildForNode(format: "esm" | "cjs", ending: string): Row {
  return {
    where: "esbuild",
    what: `for Node, ${format}`,
    isQuick: true,
    async run(site) {
      const cwd = await site.project(projects.full);
      const outdir = join(cwd, "out", format);
      const outfile = join(outdir, `bundled.${ending}`);
      copyWeights(cwd, outdir);
      await withEsbuild({
        absWorkingDir: cwd,
        entryPoints: ["bundled.js"],
        platform: "node",
        format,
        outfile,
        external,
      });
      for (const backend of ["auto", "wasm", "onnx", "tfjs-wasm", "reference"]) {
        const words = [outfile, join(outdir, "weights.safetensors"), backend];
        await expectLine("cat", { command: process.execPath, words, cwd });
      }
    },
  };
}

const pageWith = (program: string): string => `<!doctype html>
<title></title>
<link rel="icon" href="data:," />
<script type="module" src="${program}"></script>
`;

/** Vite's own server, for development: it bundles packages by itself, and modules of the page not at all. */
const developmentRow: Row = {
  where: "Vite",
  what: "for browsers, the development server",
  isQuick: false,
  async run(site) {
    const cwd = await site.project(projects.full);
    writeFileSync(join(cwd, "index.html"), pageWith("./page-of-all.js"));
    const server = await createServer({ root: cwd, logLevel: "error" });
    try {
      await server.listen(0);
      expectCat(await titleOf(server.resolvedUrls!.local[0]!));
    } finally {
      await server.close();
    }
  },
};

/** What a page under a policy that forbids WebAssembly is told, for each backend. */
const policyRow: Row = {
  where: "esbuild",
  what: "for browsers, a Content-Security-Policy without wasm-unsafe-eval",
  isQuick: true,
  async run(site) {
    const cwd = await site.project(projects.full);
    const outdir = join(cwd, "out", "policy");
    mkdirSync(outdir, { recursive: true });
    writeFileSync(join(outdir, "index.html"), pageWith("./page.js"));
    await esbuildPageOfAll(cwd, outdir, "./policy-page.js");
    const title = await titleIn(outdir, { "Content-Security-Policy": "script-src 'self'; worker-src 'self'" });
    const [auto = "", ...named] = title.split("|");
    const isTold = (text: string) => /^BackendUnavailableError: .*; add 'wasm-unsafe-eval' to .*script-src/.test(text);
    const isSummed = /^BackendUnavailableError: auto: .*'wasm-unsafe-eval'; reference works everywhere/.test(auto);
    if (!isSummed || named.length !== 4 || !named.every(isTold)) throw new Error(title);
  },
};

/** A program that `build` has bundled to `page.js` in a folder, which a page then runs. */
function inBrowser(
  [where, what, isQuick]: readonly [string, string, boolean],
  project: ProjectSpec,
  build: (cwd: string, outdir: string, program: string) => Promise<void>,
  program: string,
): Row {
  return {
    where,
    what: `for browsers, ${what}`,
    isQuick,
    async run(site) {
      const cwd = await site.project(project);
      const outdir = join(cwd, "out", where);
      mkdirSync(outdir, { recursive: true });
      copyFileSync(join(cwd, "cat.png"), join(outdir, "cat.png"));
      writeFileSync(join(outdir, "index.html"), pageWith("./page.js"));
      await build(cwd, outdir, program);
      expectCat(await titleIn(outdir));
    },
  };
}

const esbuildPage =
  (workers: { readonly [name: string]: string }) =>
  async (cwd: string, outdir: string, program: string): Promise<void> => {
    const loader = { ".safetensors": "file", ".wasm": "file" } as const;
    const entryPoints = { page: program, ...workers };
    await withEsbuild({ absWorkingDir: cwd, entryPoints, loader, format: "esm", splitting: true, outdir });
  };

/** esbuild copies no file that code names by URL. */
const esbuildPageOfAll = async (cwd: string, outdir: string, program: string): Promise<void> => {
  const file = "ort-wasm-simd-threaded.wasm";
  copyFileSync(join(cwd, "node_modules/onnxruntime-web/dist", file), join(outdir, file));
  await esbuildPage({ worker: "@residual/wasm/worker", "onnx-worker": "@residual/onnx/worker" })(cwd, outdir, program);
};

/** With workers of ES modules, in which each backend is a chunk. */
async function vitePageOfAll(cwd: string, outdir: string, program: string): Promise<void> {
  await vitePage(cwd, outdir, program, { worker: { format: "es" } });
}

async function vitePage(cwd: string, outDir: string, program: string, config: UserConfig = {}): Promise<void> {
  const said: string[] = [];
  const warn = (text: string) => void said.push(text);
  const customLogger = { ...createLogger("warn"), warn, warnOnce: warn };
  // The size of a chunk is no fault of it: TensorFlow.js and onnxruntime-web are larger than what Vite likes.
  // Nor is how long its plugins take.
  const checks = { pluginTimings: false };
  writeFileSync(join(cwd, "index.html"), pageWith(program));
  const build = { outDir, emptyOutDir: false, chunkSizeWarningLimit: 10_000, rolldownOptions: { checks } };
  await viteBuild({ ...config, root: cwd, logLevel: "warn", customLogger, build });
  if (said.length > 0) throw new Error(said.join("\n"));
}

const webpackPage = (cwd: string, _: string, program: string) =>
  expectLine("built", { command: process.execPath, words: ["webpack-build.js", program], cwd });

export const bundlerRows: readonly Row[] = [
  esbuildForNode("esm", "mjs"),
  esbuildForNode("cjs", "cjs"),
  inBrowser(
    ["esbuild", "nothing optional", true],
    projects.alone,
    esbuildPage({ worker: "@residual/wasm/worker" }),
    "./esbuild-page.js",
  ),
  inBrowser(["esbuild", "all backends", false], projects.full, esbuildPageOfAll, "./esbuild-page-of-all.js"),
  inBrowser(["Vite", "nothing optional", true], projects.alone, vitePage, "./page.js"),
  inBrowser(["Vite", "all backends", false], projects.full, vitePageOfAll, "./page-of-all.js"),
  inBrowser(["webpack", "nothing optional", false], projects.webpackAlone, webpackPage, "./page.js"),
  inBrowser(["webpack", "all backends", false], projects.webpack, webpackPage, "./page-that-hands-over.js"),
  developmentRow,
  policyRow,
];
