/**
 * A report's largest share of a bound, for each model and level, as a table: `node scripts/shares.ts
 * report/conformance.json`.
 */
import { readFileSync } from "node:fs";
import { isRoundedOnce } from "../conformance/src/report/summary.ts";
import type { Report, Section } from "../conformance/src/report/types.ts";

const [path = "report/conformance.json"] = process.argv.slice(2);
const { reports } = JSON.parse(readFileSync(path, "utf8")) as {
  reports: readonly Report[];
};

function worst(sections: readonly Section[]): string {
  const checks = sections
    .flatMap(({ checks: each }) => each)
    .filter((check) => check.share !== undefined && !isRoundedOnce(check));
  if (checks.length === 0) return "";
  const largest = checks.reduce((a, b) => (b.share! > a.share! ? b : a));
  return `${largest.share!.toPrecision(2)} (${largest.name})`;
}

for (const { sections, backend } of reports) {
  const models = [
    ...new Set(sections.filter(({ level }) => level === "nodes" || level === "models").map(({ name }) => name)),
  ];
  console.log(`${backend.library} ${backend.version}\n`);
  console.log("| model | checks | nodes, as built | nodes, optimized | models |\n|---|---|---|---|---|");
  for (const name of models) {
    const own = sections.filter((section) => section.name === name);
    const nodes = (form: string) =>
      worst(own.filter(({ level, variant = "" }) => level === "nodes" && variant.startsWith(form)));
    const count = own.reduce((sum, { checks }) => sum + checks.length, 0);
    console.log(
      `| ${name} | ${count} | ${nodes("as built")} | ${nodes("optimized")} | ${worst(own.filter(({ level }) => level === "models"))} |`,
    );
  }
}
