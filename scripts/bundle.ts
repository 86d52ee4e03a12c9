/**
 * Joins a package's built modules into one file for each entry of its exports, and what entries share into chunks: Node
 * takes a quarter of a millisecond to find and read each module. Run in the package's folder, after tsc.
 *
 * An entry with a condition `node` is joined for Node alone. For others its modules stay as they are, since a bundler
 * drops each module that a page does not use, and in one file it has to keep what might have an effect.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";

type Exports = string | { readonly [condition: string]: Exports };

interface Entry {
  /** The module that tsc has made. */
  readonly in: string;
  /** What it is bundled to, without the ending. */
  readonly out: string;
}

/**
 * What an entry of `exports` leads to. All bundles lie beside one another, programs of threads too, so that a path
 * relative to a module is the same in the bundle that holds it; `types` tell where the module was.
 */
function entriesOf(target: Exports, types?: string): readonly Entry[] {
  if (typeof target !== "string") {
    const inner = "node" in target ? { node: target.node } : target;
    const modules = typeof target.types === "string" ? target.types : undefined;
    return Object.entries(inner).flatMap(([condition, each]) =>
      condition === "types" ? [] : entriesOf(each, modules),
    );
  }
  const [, out] = /^\.\/dist\/(.*)\.js$/.exec(target) ?? [];
  if (out === undefined) return [];
  return [{ in: types?.replace(/\.d\.ts$/, ".js") ?? target, out }];
}

const manifest = JSON.parse(await readFile("package.json", "utf8")) as { readonly exports: Exports };
const { metafile, warnings } = await build({
  entryPoints: [...new Map(entriesOf(manifest.exports).map((entry) => [entry.out, entry])).values()],
  outdir: "dist",
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  target: "esnext", // tsc has lowered the syntax; to lower it twice would drop the attributes of imports
  packages: "external",
  external: ["node:*"],
  metafile: true,
  logLevel: "warning",
});
if (warnings.length > 0) throw new Error("a bundle that esbuild warns of does not do what its modules do");
const written = new Set(Object.keys(metafile.outputs).map((path) => resolve(path)));
const keepsModules = JSON.stringify(manifest.exports).includes('"node":');
for (const { name, parentPath } of await readdir("dist", { recursive: true, withFileTypes: true })) {
  const path = resolve(join(parentPath, name));
  if (name.endsWith(".js") && !written.has(path) && !keepsModules) await rm(path);
}
