/** What would be published: its exports (publint) and its types as each module system resolves them (attw). */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "residual-pack-"));
const run = (command: string, words: readonly string[], cwd: string): boolean =>
  spawnSync(command, words, { cwd, stdio: "inherit" }).status === 0;

const broken = globSync("packages/*").filter((each) => {
  const tarball = join(folder, `${each.replaceAll(/[\\/]/g, "-")}.tgz`);
  const packed = run("pnpm", ["--silent", "pack", "--out", tarball], each);
  return (
    !packed || !run("publint", ["--strict", tarball], ".") || !run("attw", ["--profile", "esm-only", tarball], ".")
  );
});
rmSync(folder, { recursive: true });
if (broken.length > 0) {
  console.log(`not fit to publish: ${broken.join(", ")}`);
  process.exitCode = 1;
}
