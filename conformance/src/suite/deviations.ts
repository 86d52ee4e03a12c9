import { type Deviation, type ModelOpName, type OpName, type Trait, traits, UnsupportedError } from "@residual/core";
import type { Check } from "../report/types.ts";
import { suites } from "./ops/suites.ts";

/**
 * A section's checks after the backend's declared deviations are applied.
 *
 * A failed check passes, with the declared reason, if its case shows a declared trait and the backend gave numbers. An
 * error is not excused. A declared deviation fails if no check of the section shows its trait any more, so the list
 * stays true.
 */
export function withDeviations(checks: readonly Check[], deviations: readonly Deviation[]): readonly Check[] {
  const showing = (deviation: Deviation) => checks.filter((check) => shows(check, deviation));
  const gone = deviations.filter((each) => showing(each).length > 0 && !showing(each).some(deviates));
  return [...checks.map((check) => excused(check, deviations)), ...gone.map(untrue)];
}

function shows(check: Check, { op, trait }: Deviation): boolean {
  return check.op === op && check.shows?.includes(trait) === true;
}

function deviates({ passed, worst }: Check): boolean {
  return !passed && worst !== undefined;
}

function excused(check: Check, deviations: readonly Deviation[]): Check {
  const known = deviates(check) ? deviations.find((each) => shows(check, each)) : undefined;
  return known ? { ...check, passed: true, trait: known.trait, because: known.because } : check;
}

function untrue({ op, trait, because }: Deviation): Check {
  const message = "declared as a deviation, but no case shows it; remove it from the list";
  return { name: `${op} ${trait}`, op, passed: false, trait, because, message };
}

/** Throws UnsupportedError for a trait that no case of its op tests: no check could confirm the trait. */
export function checkDeviations(deviations: readonly Deviation[]): void {
  for (const { op, trait } of deviations) {
    if (traitsShownBy(op).includes(trait)) continue;
    const wayOut =
      trait in traits
        ? `its cases show ${list(traitsShownBy(op))}`
        : `the traits are ${list(Object.keys(traits))}; update @residual/conformance if the trait is newer`;
    throw new UnsupportedError(
      `conformance has no case that shows { op: ${quote(op)}, trait: ${quote(trait)} }: ${wayOut}`,
    );
  }
}

const quote = (text: string): string => JSON.stringify(text);
const list = (all: readonly string[]): string => all.map(quote).join(", ") || "none";

/** The traits that an op's cases show; none for an op without cases. */
export function traitsShownBy(op: OpName): readonly Trait[] {
  const { byHand, special } = suites[op as ModelOpName] ?? { byHand: [], special: [] };
  return [...new Set([...byHand, ...special].flatMap(({ shows = [] }) => shows))];
}
