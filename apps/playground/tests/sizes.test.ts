import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rollup } from "vite";
import { expect, test } from "vitest";

const built = fileURLToPath(new URL("../dist/", import.meta.url));
const compressed = (text: string | Buffer) => gzipSync(text, { level: 9 }).length;

/**
 * What counts: every file that the page needs before it paints, which are its HTML, its style sheet, and its scripts
 * with all that they import; and all that the worker takes of core. What does not: the font and the rest of the
 * worker, which load beside the paint, and the rooms' code.
 */
test("page and core are at most 60 kB, compressed, at first paint", async () => {
  const html = await readFile(`${built}index.html`, "utf8");
  const needed = [
    ...html.matchAll(/<(?:script[^>]*src|link rel="(?:stylesheet|modulepreload)"[^>]*href)="\.\/([^"]*)"/g),
  ];
  const files = needed.map(([, file]) => file!);
  expect(files.filter((file) => file.endsWith(".js")).length).toBeGreaterThanOrEqual(2);
  expect(files.filter((file) => file.endsWith(".css"))).toHaveLength(1);
  const sizes = await Promise.all(files.map(async (file) => compressed(await readFile(built + file))));
  const page = compressed(html) + sizes.reduce((sum, size) => sum + size, 0);
  const core = compressed(await bundledCore());
  console.log(`at first paint: page ${page}, core ${core} bytes`);
  expect(page + core).toBeLessThanOrEqual(60_000);
});

test("all that the page's script imports is named in the HTML, and so counted", async () => {
  const html = await readFile(`${built}index.html`, "utf8");
  const [, entry] = /<script type="module"[^>]*src="\.\/([^"]*)"/.exec(html)!;
  const script = await readFile(built + entry!, "utf8");
  for (const [, file] of script.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) expect(html).toContain(file);
});

/** The code of core that the worker imports statically, bundled as one chunk. */
async function bundledCore(): Promise<string> {
  const chunks = new Map((await workerChunks([])).map((chunk) => [chunk.fileName, chunk]));
  const needed = new Set([...chunks.values()].filter(({ isEntry }) => isEntry));
  for (const { imports } of needed) for (const file of imports) needed.add(chunks.get(file)!);
  const modules = new Set([...needed].flatMap(({ moduleIds }) => moduleIds));
  const test = (id: string) => /packages\/core\//.test(id) && modules.has(id);
  const core = (await workerChunks([{ name: "core", test }])).filter(({ name }) => name === "core");
  expect(core).toHaveLength(1);
  return core[0]!.code;
}

async function workerChunks(groups: { name: string; test: (id: string) => boolean }[]): Promise<Rollup.OutputChunk[]> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      rolldownOptions: {
        input: fileURLToPath(new URL("../src/engine/worker.ts", import.meta.url)),
        output: { codeSplitting: groups.length === 0 ? true : { groups } },
      },
    },
  })) as Rollup.RollupOutput;
  return output.filter((file) => file.type === "chunk");
}
