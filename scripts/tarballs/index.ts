/**
 * What works with the packages as they would be published: their tarballs, installed by npm into clean projects outside
 * of the workspace. A table of rows, and what the failing ones said. Linux x64, and the npm registry.
 *
 *   node scripts/tarballs/index.ts [--quick] [WORD…]     rows that hold every word; build first
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundlerRows } from "./bundlers.ts";
import { runtimeRows } from "./runtimes.ts";
import { type Row, Site } from "./site.ts";
import { starterRows } from "./starters.ts";
import { typeRows } from "./types.ts";

const words = process.argv.slice(2).filter((word) => word !== "--quick");
const isMeant = ({ where, what, isQuick }: Row) =>
  (isQuick || !process.argv.includes("--quick")) && words.every((word) => `${where} ${what}`.includes(word));

const folder = mkdtempSync(join(tmpdir(), "residual-tarballs-"));
const failures: string[] = [];
try {
  const site = new Site(folder);
  for (const row of [...runtimeRows, ...bundlerRows, ...starterRows, ...typeRows].filter(isMeant)) {
    const start = performance.now();
    const message = await row.run(site).then(() => undefined, String);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`| ${row.where} | ${row.what} | ${message === undefined ? "✓" : "**fails**"} | ${seconds} s |`);
    if (message !== undefined) failures.push(`${row.where}, ${row.what}: ${message}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const failure of failures) console.log(`\n${failure.split("\n").slice(0, 20).join("\n")}`);
if (failures.length > 0) process.exitCode = 1;
