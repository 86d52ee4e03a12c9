import { create } from "xmlbuilder2";
import { titleOf } from "../suite/task.ts";
import type { Check, Report, Section } from "./types.ts";

/** Reports as JUnit XML, which GitHub, GitLab and Jenkins read. Each section is a suite, and each check is a case. */
export function toJunit(reports: readonly Report[]): string {
  // A name may hold characters that XML cannot represent.
  const document = create({ version: "1.0", encoding: "UTF-8", invalidCharReplacement: "\u{FFFD}" });
  const suites = reports.flatMap(({ backend, sections, started }) =>
    sections.map((section) => suiteOf(backend.name, section, started)),
  );
  return document.ele({ testsuites: { "@name": "residual conform", testsuite: suites } }).end({ prettyPrint: true });
}

function suiteOf(backend: string, section: Section, started: string): object {
  const { checks, milliseconds, skipped } = section;
  const name = `${backend}/${titleOf(section)}`;
  const counts = {
    "@name": name,
    "@timestamp": started.replace(/\.\d+Z$/, ""),
    "@time": (milliseconds / 1000).toFixed(3),
    "@tests": skipped === undefined ? checks.length : 1,
    "@failures": checks.filter(({ passed }) => !passed).length,
    "@skipped": skipped === undefined ? 0 : 1,
    "@errors": 0,
  };
  if (skipped === undefined) return { ...counts, testcase: checks.map((check) => caseOf(name, check)) };
  return { ...counts, testcase: { "@name": section.name, "@classname": name, skipped: { "@message": skipped } } };
}

function caseOf(suite: string, { name, passed, message = "", what, share, trait, because }: Check): object {
  const about = [what, share === undefined ? undefined : `${share.toPrecision(3)} of its bound`]
    .filter(Boolean)
    .join("; ");
  const common = { "@name": name, "@classname": suite };
  if (!passed) return { ...common, failure: { "@message": message, "#": about } };
  return because === undefined
    ? common
    : { ...common, "system-out": `known deviation, ${trait}: ${because}; ${about}` };
}
