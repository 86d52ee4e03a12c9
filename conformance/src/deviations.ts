import type { Deviation } from "@residual/core";
import type { Check, Section } from "./report/types.ts";

/**
 * A section's checks in the light of what is known: a known deviation passes, with its reason, as long as it deviates. One
 * that does not, or that names no check of the section, fails: the list has to be true.
 */
export function withDeviations(
  { level, name }: Pick<Section, "level" | "name">,
  checks: readonly Check[],
  deviations: readonly Deviation[],
): readonly Check[] {
  const prefix = `${level}/${name}/`;
  const here = deviations.filter((each) => each.case.startsWith(prefix));
  const reasons = new Map(here.map((each) => [each.case.slice(prefix.length), each.because]));
  const names = new Set(checks.map((check) => check.name));
  const unknown = [...reasons].filter(([each]) => !names.has(each));
  return [
    ...checks.map((check) => inTheLightOf(check, reasons.get(check.name))),
    ...unknown.map(
      ([each, because]): Check => ({
        name: each,
        passed: false,
        because,
        message: "a known deviation that names no check; take it off the list",
      }),
    ),
  ];
}

function inTheLightOf(check: Check, because: string | undefined): Check {
  if (because === undefined) return check;
  if (!check.passed) return { ...check, passed: true, because };
  return {
    ...check,
    passed: false,
    because,
    message: "a known deviation that deviates no longer; take it off the list",
  };
}
