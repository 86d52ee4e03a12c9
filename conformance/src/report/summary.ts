import type { Deviation, OpName } from "@residual/core";
import type { Check, Level, Report, Section } from "./types.ts";

/** A summary of some checks. */
export interface Sum {
  readonly checks: number;
  readonly failed: number;
  readonly deviations: number;
  /** The largest share of a bound among results of several roundings, without known deviations. */
  readonly share: number;
  /** The reason why nothing was run. */
  readonly skipped?: string;
}

export function sumOf(sections: readonly Section[]): Sum {
  const checks = sections.flatMap((section) => section.checks);
  const skipped = sections.find((section) => section.skipped !== undefined)?.skipped;
  return {
    checks: checks.length,
    failed: checks.filter(({ passed }) => !passed).length,
    deviations: checks.filter(isDeviation).length,
    share: largestShare(checks),
    ...(skipped !== undefined && checks.length === 0 ? { skipped } : {}),
  };
}

/** The report's verdict on its backend, as the end of a sentence. */
export function verdictOf({ passed, remaining, sections }: Report): string {
  if (passed) return "conforms";
  if (sections.some(({ checks }) => checks.some((check) => !check.passed))) return "does not conform";
  return remaining === undefined ? "was checked against nothing" : "has not finished";
}

/**
 * The largest share of a bound. Known deviations and results of one rounding do not count; 0 if nothing else is left.
 */
export function largestShare(checks: readonly Check[]): number {
  const telling = checks.filter((check) => check.because === undefined && !isRoundedOnce(check));
  return telling.reduce((most, { share = 0 }) => Math.max(most, share), 0);
}

/** Unit roundoff of float32. */
const u = 2 ** -24;

/**
 * Whether a check passed with a bound of one rounding, as for the sum or product of two numbers. Among many such
 * results, some error is always near half a unit in the last place, which is the whole bound. So their shares say
 * nothing.
 */
export function isRoundedOnce({ passed, worst }: Check): boolean {
  return passed && worst !== undefined && worst.bound <= u * Math.abs(worst.expected) * (1 + 1e-6);
}

const isDeviation = ({ passed, because }: Check): boolean => passed && because !== undefined;

/** A declared trait that excused checks, and the number of these checks. */
export interface KnownDeviation extends Deviation {
  readonly checks: number;
}

/** The deviations that excused a check. */
export function knownDeviations(sections: readonly Section[]): readonly KnownDeviation[] {
  const found = new Map<string, KnownDeviation>();
  for (const { op, trait, because } of sections.flatMap(({ checks }) => checks.filter(isDeviation))) {
    const key = `${op} ${trait}`;
    const checks = (found.get(key)?.checks ?? 0) + 1;
    found.set(key, { op: op as OpName, trait: trait!, because: because!, checks });
  }
  return [...found.values()];
}

/** The sections of one level, or of one model at its levels. */
export function sectionsOf({ sections }: Report, levels: readonly Level[], name?: string): readonly Section[] {
  return sections.filter((section) => levels.includes(section.level) && (name === undefined || section.name === name));
}

/** Levels whose sections are models. */
export const ofModels: readonly Level[] = ["nodes", "models", "images"];

/** All models of some reports, in the order in which they ran. */
export function modelsOf(reports: readonly Report[]): readonly string[] {
  const names = reports.flatMap((report) =>
    sectionsOf(report, ofModels).filter((section) => section.skipped === undefined),
  );
  return [...new Set(names.map(({ name }) => name))];
}

/** The first node that failed, in execution order. */
export function firstWrong(sections: readonly Section[]): Check | undefined {
  return sections
    .filter(({ level }) => level === "nodes")
    .flatMap(({ checks }) => checks)
    .find(({ passed }) => !passed);
}

/** A share with as few digits as needed: 0.25, 3.7e+4. */
export function formatShare(share: number): string {
  if (share === 0 || !Number.isFinite(share)) return share === 0 ? "0" : "∞";
  return share < 0.001 || share >= 1e4 ? share.toExponential(1) : share.toPrecision(2);
}
