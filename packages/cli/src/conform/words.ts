import {
  type Check,
  knownDeviations,
  type Level,
  largestShare,
  levels,
  type Report,
  type Section,
  verdictOf,
} from "@residual/conformance";
import { bold, dim, table } from "../terminal.ts";

/** Failures listed on the terminal; a report has all. */
const LISTED = 10;

/** The result as text. */
export function words(report: Report): readonly string[] {
  const { backend, sections, milliseconds } = report;
  const checks = sections.flatMap((section) => section.checks);
  const failed = checks.filter((check) => !check.passed).length;
  const verdict = failed > 0 ? `${verdictOf(report)}: ${failed} checks failed` : verdictOf(report);
  const head = `${backend.name} (${backend.library} ${backend.version}, ${backend.device}) ${verdict}`;
  const seconds = dim(`${checks.length.toLocaleString("en-US")} checks in ${(milliseconds / 1000).toFixed(0)} s`);
  return [`${bold(head)}  ${seconds}`, "", ...rows(sections), ...failures(sections), ...deviations(sections)];
}

function rows(sections: readonly Section[]): readonly string[] {
  const ran = levels.filter((level) => sections.some((section) => section.level === level));
  const heading = ["level", "passed", "of", "largest share of a bound", ""];
  return table(
    heading,
    ran.map((level) =>
      rowOf(
        level,
        sections.filter((section) => section.level === level),
      ),
    ),
  );
}

function rowOf(level: Level, sections: readonly Section[]): readonly (string | number)[] {
  const checks = sections.flatMap((section) => section.checks);
  const largest = largestShare(checks);
  const share = largest === 0 ? "" : largest.toPrecision(3);
  return [level, checks.filter(({ passed }) => passed).length, checks.length, share, skippedOf(sections)];
}

/** The reasons of skipped sections of a level, each once with its count; a report names the sections. */
function skippedOf(sections: readonly Section[]): string {
  const counts = new Map<string, number>();
  for (const { skipped } of sections) if (skipped) counts.set(skipped, (counts.get(skipped) ?? 0) + 1);
  return [...counts].map(([why, count]) => `${count} skipped: ${why}`).join("; ");
}

function failures(sections: readonly Section[]): readonly string[] {
  const all = sections.flatMap((section) =>
    section.checks.filter(({ passed }) => !passed).map((check) => lineOf(section, check)),
  );
  if (all.length === 0) return [];
  const rest = all.length > LISTED ? [`… and ${all.length - LISTED} more, which --report DIR lists`] : [];
  return ["", ...all.slice(0, LISTED), ...rest];
}

const lineOf = ({ level, name }: Section, { name: check, what, message }: Check): string =>
  `${level}/${name}/${check}: ${[what, message].filter(Boolean).join(": ")}`;

function deviations(sections: readonly Section[]): readonly string[] {
  const known = knownDeviations(sections);
  if (known.length === 0) return [];
  const lines = known.map(({ op, trait, checks, because }) => `  ${op} ${trait}, ${checks}: ${because}`);
  const total = known.reduce((sum, { checks }) => sum + checks, 0);
  return ["", `checks excused by known deviations, ${total}:`, ...lines];
}
