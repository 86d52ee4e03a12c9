/**
 * What would be published: its files, its exports (publint), and its types as each module system resolves them (attw).
 * `turbo run build` comes first.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { published } from "./published.ts";

const folder = mkdtempSync(join(tmpdir(), "residual-pack-"));
const run = (command: string, words: readonly string[], cwd = "."): boolean =>
  spawnSync(command, words, { cwd, stdio: "inherit" }).status === 0;

/**
 * Its README, the licence, and each source file built; nothing else in dist: not a test, nor what a file since removed
 * has left behind. Where bundle.ts joins the modules, it removes what is left itself.
 */
function isWholeBuild(each: string, tarball: string): boolean {
  const { exclude } = JSON.parse(readFileSync(join(each, "tsconfig.build.json"), "utf8")) as {
    readonly exclude: readonly string[];
  };
  const sources = globSync("src/**/*.ts", { cwd: each, exclude: exclude.flatMap((path) => [path, `${path}/**`]) });
  const { scripts, exports } = JSON.parse(readFileSync(join(each, "package.json"), "utf8")) as {
    readonly scripts: { readonly build: string };
    readonly exports: { readonly [entry: string]: { readonly node?: string } };
  };
  const forNode = Object.values(exports).flatMap(({ node }) => node?.replace("./", "package/") ?? []);
  const isBundled = scripts.build.includes("bundle.ts") && forNode.length === 0;
  const expected = new Set(
    sources.flatMap((path) => {
      const stem = path.replaceAll("\\", "/").replace(/^src\/(.*)\.ts$/, "package/dist/$1");
      return isBundled ? [`${stem}.d.ts`] : [`${stem}.js`, `${stem}.d.ts`];
    }),
  );
  for (const text of ["package/README.md", "package/LICENSE", ...forNode]) expected.add(text);
  const { stdout } = spawnSync("tar", ["-tzf", tarball], { encoding: "utf8" });
  const isOurs = (path: string) =>
    (path.startsWith("package/dist/") && !(isBundled && path.endsWith(".js"))) ||
    path === "package/README.md" ||
    path === "package/LICENSE";
  const found = new Set(stdout.split(/\r?\n/).filter(isOurs));
  const missing = [...expected].filter((path) => !found.has(path));
  const extra = [...found].filter((path) => !expected.has(path));
  if (missing.length > 0) console.log(`${each} lacks ${missing.join(", ")}: build it`);
  if (extra.length > 0) console.log(`${each} holds ${extra.join(", ")}: remove ${each}/dist, and build it again`);
  return missing.length === 0 && extra.length === 0;
}

/** Every file that `exports` names, under any condition, is in the tarball. */
function namesWhatItShips(each: string, tarball: string): boolean {
  const tar = (...words: readonly string[]) => spawnSync("tar", [...words], { encoding: "utf8" }).stdout;
  const { exports } = JSON.parse(tar("-xzOf", tarball, "package/package.json")) as { readonly exports: object };
  const shipped = tar("-tzf", tarball).split(/\r?\n/);
  const isShipped = (target: string) => {
    const [start, end = ""] = target.replace("./", "package/").split("*");
    return shipped.some((path) =>
      target.includes("*") ? path.startsWith(start!) && path.endsWith(end) : path === start,
    );
  };
  const targets = (node: object | string): readonly string[] =>
    typeof node === "string" ? [node] : Object.values(node).flatMap((inner) => targets(inner as object | string));
  const missing = targets(exports).filter((target) => !isShipped(target));
  if (missing.length > 0) console.log(`${each} exports ${missing.join(", ")}, which it does not ship (.pnpmfile.mjs)`);
  return missing.length === 0;
}

const broken = published.filter((each) => {
  const tarball = join(folder, `${each.replaceAll(/[\\/]/g, "-")}.tgz`);
  return !(
    run("pnpm", ["--silent", "pack", "--out", tarball], each) &&
    isWholeBuild(each, tarball) &&
    namesWhatItShips(each, tarball) &&
    run("publint", ["--strict", tarball]) &&
    run("attw", ["--profile", "esm-only", tarball])
  );
});
rmSync(folder, { recursive: true });
if (broken.length > 0) {
  console.log(`not fit to publish: ${broken.join(", ")}`);
  process.exitCode = 1;
}
