/**
 * Holds tfjs-node against the suite, for machines that reach the host of libtensorflow: installs the package into a
 * folder of its own, since a workspace that named it would fail to install where that host is out of reach, and runs
 * the levels ops, nodes, models and behaviour on it. `node scripts/tfjs-node.ts [node-gpu]`. TFJS_NODE_CDN_STORAGE
 * names a mirror.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const engine = process.argv[2] ?? "node";
const name = `@tensorflow/tfjs-${engine}`;
const folder = resolve("node_modules/.cache/tfjs-node", engine);

function run(command: string, words: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, words, { cwd, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
if (!existsSync(join(folder, "node_modules", name))) run("npm", ["install", `${name}@4.22.0`], folder);

// What packages/tfjs imports under that name, wherever it lies.
const hook = `
import { createRequire, registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
const { resolve } = createRequire(${JSON.stringify(pathToFileURL(join(folder, "package.json")).href)});
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === ${JSON.stringify(name)} ? { url: pathToFileURL(resolve(specifier)).href, shortCircuit: true } : next(specifier, context),
});`;
const program = `
import { conform } from "@residual/conformance";
import { tfjs } from "@residual/tfjs";
const options = { only: ["ops", "nodes", "models", "behaviour"], onSection: ({ level, name, variant = "", checks }) => console.log(level, name, variant, checks.filter(({ passed }) => passed).length, "of", checks.length) };
const report = await conform(tfjs({ engine: ${JSON.stringify(engine)} }), options);
for (const { level, name, checks } of report.sections)
  for (const check of checks) if (!check.passed) console.log(level, name, check.name, check.message);
console.log(report.backend.library, report.backend.version, report.passed ? "conforms" : "does not conform");
process.exitCode = report.passed ? 0 : 1;`;
const dataUrl = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
// where the packages that it imports are found; git ignores it
const file = resolve("conformance/.vitest/tfjs-node.mjs");
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, program);
run(process.execPath, ["--conditions=@residual/source", "--import", dataUrl(hook), file], process.cwd());
