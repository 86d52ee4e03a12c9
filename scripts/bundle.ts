/**
 * Joins a package's built modules into one file for each entry of its exports, and what entries share into chunks: Node
 * takes a quarter of a millisecond to find and read each module. Run in the package's folder, after tsc.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";

type Exports = string | { readonly [condition: string]: Exports };

/** The built modules that an entry of `exports` leads to. */
function modulesOf(entry: Exports): readonly string[] {
  if (typeof entry === "string") return /^\.\/dist\/.*\.js$/.test(entry) ? [entry] : [];
  return Object.values(entry).flatMap(modulesOf);
}

const manifest = JSON.parse(await readFile("package.json", "utf8")) as { readonly exports: Exports };
const { metafile } = await build({
  entryPoints: [...new Set(modulesOf(manifest.exports))],
  outdir: "dist",
  outbase: "dist",
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  target: "es2023",
  packages: "external",
  external: ["node:*"],
  metafile: true,
  logLevel: "warning",
});
const written = new Set(Object.keys(metafile.outputs).map((path) => resolve(path)));
for (const { name, parentPath } of await readdir("dist", { recursive: true, withFileTypes: true })) {
  const path = resolve(join(parentPath, name));
  if (name.endsWith(".js") && !written.has(path)) await rm(path);
}
