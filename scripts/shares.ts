/**
 * A report's largest share of a bound, for each model and level, as a table: `node scripts/shares.ts
 * report/conformance.json`.
 */
import { readFileSync } from "node:fs";

interface Section {
  readonly level: string;
  readonly name: string;
  readonly variant?: string;
  readonly checks: readonly {
    readonly op?: string;
    readonly name: string;
    readonly passed: boolean;
    readonly share?: number;
  }[];
}

const [path = "report/conformance.json"] = process.argv.slice(2);
const { reports } = JSON.parse(readFileSync(path, "utf8")) as {
  reports: { sections: Section[]; backend: { name: string; library: string; version: string } }[];
};

/** Ops of one rounding reach 1 by their nature; what sums do is of interest. */
const single = new Set(["add", "multiply"]);

function worst(sections: readonly Section[]): string {
  const checks = sections
    .flatMap(({ checks: each }) => each)
    .filter(({ op = "", share }) => share !== undefined && !single.has(op));
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
