/** The pictures of docs/pictures.md, by the commands that stand there: `pnpm exec node scripts/pictures.ts`. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";

const page = "docs/pictures.md";
const folder = "docs/pictures";
const bin = "packages/cli/bin/residual.js";

/** Files that the page shows under another name than the command's, so that a reader's own are not called so. */
const renamed: { readonly [name: string]: string } = { "cat.jpg": "cat-cam.jpg", "rocket.jpg": "rocket-cam.jpg" };

mkdirSync(folder, { recursive: true });
const commands = readFileSync(page, "utf8").matchAll(/^\$ residual (.*(?:--to|--cam) (\S+).*)$/gm);
for (const [, words, file] of commands) {
  const target = `${folder}/${renamed[file!] ?? file}`;
  const placed = words!.replace(` ${file!}`, ` ${target}`);
  execFileSync(process.execPath, [bin, ...placed.split(" ")], { stdio: "inherit" });
}
