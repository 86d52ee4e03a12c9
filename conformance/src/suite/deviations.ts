import { type Deviation, type OpName, type Trait, traits, UnsupportedError } from "@residual/core";
import type { Check } from "../report/types.ts";
import { suites } from "./ops/suites.ts";

/**
 * A section's checks in the light of the deviations that a backend declares. A check that failed passes, with the
 * reason, if its case shows a declared trait and the backend gave numbers; an error is not excused. A declared
 * deviation that no check of the section shows any more fails: the list has to be true.
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

/** Throws UnsupportedError for a trait that no case of its op tests: nothing could confirm it. */
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

/** The traits that the cases of an op show; none for an op that there is not. */
export function traitsShownBy(op: OpName): readonly Trait[] {
  const { byHand, special } = suites[op] ?? { byHand: [], special: [] };
  return [...new Set([...byHand, ...special].flatMap(({ shows = [] }) => shows))];
}
