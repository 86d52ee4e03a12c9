import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, cpSync, globSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type BuildOptions, build as esbuild } from "esbuild";
import { createLogger, preview, build as viteBuild } from "vite";
import { titleOf } from "./page.ts";
import { expectLine, output, type ProjectSpec, type Row } from "./site.ts";

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
const withNext = {
  name: "next",
  others: { ...runtimes, next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" },
};

/** esbuild bundles no files that code names by URL: the weights are told, as docs/bundlers.md says. */
const WEIGHTS = "node_modules/@residual/weights/known/resnet20-cifar10.safetensors";

function copyWeights(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, WEIGHTS), join(to, "weights.safetensors"));
}

/** Serves a folder, whose page has to say that it sees a cat. */
async function expectPage(folder: string, query: string): Promise<void> {
  const server = await preview({ root: folder, build: { outDir: "." }, preview: { port: 0 }, logLevel: "error" });
  try {
    const title = await titleOf(`${server.resolvedUrls!.local[0]!}?${query}`);
    if (!/^(cat\b.*)+$/.test(title)) throw new Error(title);
  } finally {
    await server.close();
  }
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

/** A page that `build` has bundled, in a project that has `backends`. */
function inBrowser(
  [where, what, isQuick]: readonly [string, string, boolean],
  project: ProjectSpec,
  build: (cwd: string, outdir: string) => Promise<void>,
  query: string,
): Row {
  return {
    where,
    what: `for browsers, ${what}`,
    isQuick,
    async run(site) {
      const cwd = await site.project(project);
      const outdir = join(cwd, "out", where);
      copyWeights(cwd, outdir);
      copyFileSync(join(cwd, "cat.png"), join(outdir, "cat.png"));
      copyFileSync(join(cwd, "page.html"), join(outdir, "index.html"));
      const wasm = join(cwd, "node_modules/@tensorflow/tfjs-backend-wasm/dist");
      for (const file of globSync("*.wasm", { cwd: wasm })) cpSync(join(wasm, file), join(outdir, "wasm", file));
      await build(cwd, outdir);
      await expectPage(outdir, query);
    },
  };
}

async function esbuildPage(cwd: string, outdir: string): Promise<void> {
  await withEsbuild({ absWorkingDir: cwd, entryPoints: ["page.js"], format: "esm", splitting: true, outdir });
}

async function vitePage(cwd: string, outDir: string): Promise<void> {
  const said: string[] = [];
  const warn = (text: string) => void said.push(text);
  const customLogger = { ...createLogger("warn"), warn, warnOnce: warn };
  // The size of a chunk is no fault of it: TensorFlow.js and onnxruntime-web are larger than what Vite likes.
  // Nor is how long its plugins take.
  const checks = { pluginTimings: false };
  const build = { outDir, emptyOutDir: false, chunkSizeWarningLimit: 10_000, rolldownOptions: { checks } };
  await viteBuild({ root: cwd, customLogger, build });
  if (said.length > 0) throw new Error(said.join("\n"));
}

const webpackPage = (entry: string) => (cwd: string) =>
  expectLine("built", { command: process.execPath, words: ["webpack-build.js", entry], cwd });

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });

/** Asks a server until it answers. */
async function answerOf(url: string, server: ChildProcess): Promise<string> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    const answer = await fetch(url).catch(() => undefined);
    if (answer) return await answer.text();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const bundlerRows: readonly Row[] = [
  esbuildForNode("esm", "mjs"),
  esbuildForNode("cjs", "cjs"),
  inBrowser(
    ["esbuild", "nothing optional", true],
    projects.alone,
    esbuildPage,
    "backends=auto,wasm,reference&weights=weights.safetensors",
  ),
  inBrowser(["Vite", "nothing optional", false], projects.alone, vitePage, "backends=auto,wasm,reference"),
  inBrowser(["Vite", "all backends", false], projects.full, vitePage, "backends=auto,wasm,onnx,tfjs-wasm,reference"),
  inBrowser(
    ["webpack", "nothing optional", false],
    projects.webpackAlone,
    webpackPage("./page.js"),
    "backends=auto,wasm,reference",
  ),
  inBrowser(["webpack", "all backends", false], projects.webpack, webpackPage("./webpack-page.js"), ""),
  {
    where: "Next.js",
    what: "a route on the server",
    isQuick: false,
    async run(site) {
      const cwd = await site.project(withNext);
      const command = join(cwd, "node_modules/.bin/next");
      const { stdout, stderr } = await output({ command, words: ["build"], cwd });
      const warnings = `${stdout}${stderr}`.split("\n").filter((line) => /warn|⚠/i.test(line));
      if (warnings.length > 0) throw new Error(`${stdout}${stderr}`);
      const port = await freePort();
      const server = spawn(command, ["start", "--port", `${port}`], { cwd, stdio: "ignore" });
      try {
        const answer = await answerOf(`http://localhost:${port}/classify`, server);
        if (answer !== "cat") throw new Error(answer);
      } finally {
        server.kill();
      }
    },
  },
];
