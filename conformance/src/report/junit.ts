import XMLBuilder from "fast-xml-builder";
import { titleOf } from "../suite/task.ts";
import type { Check, Report, Section } from "./types.ts";

/** Reports as JUnit XML, which GitHub, GitLab and Jenkins read. Each section is a suite, and each check is a case. */
export function toJunit(reports: readonly Report[]): string {
  const suites = reports.flatMap(({ backend, sections, started }) =>
    sections.map((section) => suiteOf(backend.name, section, started)),
  );
  const document = { "?xml": declaration, testsuites: { "@name": "residual conform", testsuite: suites } };
  return builder.build(document).replace(forbidden, "\u{FFFD}");
}

const declaration = { "@version": "1.0", "@encoding": "UTF-8" };

const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  textNodeName: "#",
  format: true,
  suppressBooleanAttributes: false,
  suppressEmptyNode: true,
});

/** Characters that XML cannot represent; a name may hold them. Source: XML 1.0, section 2.2. */
const forbidden = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

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
