import {
  firstWrong,
  formatShare,
  isRoundedOnce,
  knownDeviations,
  modelsOf,
  ofModels,
  sectionsOf,
  sumOf,
} from "./summary.ts";
import { type Html, html } from "./template.ts";
import type { Check, Report, Section } from "./types.ts";

/** Worst elements that a table has: of those that failed, and where none did. */
const [LISTED, FEW] = [20, 5];

/** All of one backend: what failed, its models, ops, behaviour, deviations and surroundings. */
export function detailsOf(report: Report): Html {
  const { backend } = report;
  const models = modelsOf([report]).map((name) => model(report, name));
  return html`<h2>${backend.name}</h2>
${models.length > 0 ? html`<h3>Models</h3>${key()}${models}` : undefined}
${ops(report)}
${behaviour(report)}
${skipped(report)}
${deviations(report)}
${surroundings(report)}`;
}

function model(report: Report, name: string): Html {
  const sections = sectionsOf(report, ofModels, name);
  const { failed, checks, share } = sumOf(sections);
  const wrong = failed > 0;
  const verdict = wrong ? `${failed} of ${checks} failed` : `${checks} checks, largest share ${formatShare(share)}`;
  return html`<section id="${report.backend.name}-${name}" class="model${wrong ? " wrong" : ""}">
<h4>${name} <span class="${wrong ? "bad" : "soft"}">${verdict}</span></h4>
${firstWrongWords(firstWrong(sections))}
${sections.map(strip)}
<details${wrong ? html` open` : undefined}><summary>Worst elements</summary>${worst(sections)}</details>
</section>\n`;
}

function firstWrongWords(check: Check | undefined): Html | undefined {
  if (!check) return undefined;
  return html`<p class="first"><strong>First wrong node: ${check.name}</strong>, run alone on the reference's own inputs.<br><code>${check.what}</code><br>${check.message}</p>`;
}

/** A cell for each check, in the order in which nodes run. */
function strip(section: Section): Html {
  const { level, variant, checks, skipped: why } = section;
  const head = html`<p class="soft">${level}, ${variant}${why === undefined ? `, ${checks.length}` : `: ${why}`}</p>`;
  return html`${head}<div class="strip">${checks.map((check) => html`<i${colour(check)} data-tip="${wordsOf(check)}"></i>`)}</div>`;
}

const steps = [1e-3, 0.01, 0.1, 0.3, 0.7] as const;

function colour(check: Check): Html | undefined {
  const { passed, share = 0 } = check;
  if (!passed) return html` class=over`;
  if (isRoundedOnce(check)) return html` class=once`;
  const step = steps.filter((limit) => share > limit).length;
  return step === 0 ? undefined : html` class=s${step}`;
}

function wordsOf(check: Check): string {
  const { name, op, share, passed, message, because } = check;
  const times = isRoundedOnce(check) ? ", at most one rounding" : "";
  const much = share === undefined ? (passed ? "passed" : message) : `${formatShare(share)} of its bound${times}`;
  return [name, op, much, because].filter(Boolean).join(", ");
}

function key(): Html {
  const words = ["up to 0.001", "0.01", "0.1", "0.3", "0.7", "1"];
  const cells = words.map((text, i) => html`<span><i style="background:var(--s${i})"></i>${text}</span>`);
  const once = html`<span><i class="once"></i>rounded once at most: as exact as float32 can be</span>`;
  const over = html`<span><i class="over"></i>over its bound: wrong</span>`;
  return html`<p class="key">${cells}${once}${over}</p>`;
}

/** The elements that are furthest from their bounds: those that failed, where any did. */
function worst(sections: readonly Section[]): Html | undefined {
  const checks = sections.flatMap((section) => section.checks).filter((check) => check.worst ?? !check.passed);
  const failed = checks.filter(({ passed }) => !passed);
  const shown = failed.length > 0 ? failed : checks;
  const sorted = shown.toSorted((a, b) => (b.share ?? 0) - (a.share ?? 0));
  return sorted.length === 0 ? undefined : table(sorted.slice(0, failed.length > 0 ? LISTED : FEW));
}

/** In as many digits as float32 has. */
const digits = (value: number): string => String(Number.isFinite(value) ? Number(value.toPrecision(9)) : value);

function table(checks: readonly Check[]): Html {
  return html`<div class="wide"><table><thead><tr><th class="number">share</th><th>name</th><th>at</th><th>expected</th><th>found</th><th>what</th></tr></thead><tbody>
${checks.map(
  ({
    name,
    share,
    worst: element,
    what,
    message,
    passed,
  }) => html`<tr><td class="number${passed ? "" : " bad"}">${share === undefined ? (passed ? "" : "✗") : formatShare(share)}</td>
<td>${name}</td><td class="mono">${element ? `[${element.index.join(", ")}]` : ""}</td><td class="mono">${element ? digits(element.expected) : ""}</td><td class="mono">${element ? digits(element.found) : ""}</td>
<td class="mono soft">${what ?? message}</td></tr>\n`,
)}</tbody></table></div>`;
}

function ops(report: Report): Html | undefined {
  const sections = sectionsOf(report, ["ops"]);
  if (sections.length === 0) return undefined;
  const checks = sections.flatMap((section) => section.checks);
  const names = [...new Set(checks.flatMap(({ op }) => op ?? []))].sort();
  const failed = checks.filter(({ passed }) => !passed);
  return html`<h3 id="${report.backend.name}-ops">Ops</h3>
<div class="wide"><table><thead><tr><th>op</th><th class="number">cases</th><th class="number">failed</th><th class="number">known deviations</th><th class="number">largest share</th></tr></thead><tbody>
${names.map((name) =>
  opRow(
    name,
    checks.filter(({ op }) => op === name),
  ),
)}</tbody></table></div>
${failed.length > 0 ? html`<h3 class="bad">Cases that failed</h3>${table(failed.slice(0, LISTED))}` : undefined}`;
}

function opRow(name: string, checks: readonly Check[]): Html {
  const { failed, deviations: known, share } = sumOf([{ level: "ops", name, milliseconds: 0, checks }]);
  return html`<tr><td>${name}</td><td class="number">${checks.length}</td><td class="number${failed > 0 ? " bad" : ""}">${failed}</td><td class="number">${known}</td><td class="number">${formatShare(share)}</td></tr>\n`;
}

function behaviour(report: Report): Html | undefined {
  const checks = sectionsOf(report, ["behaviour"]).flatMap((section) => section.checks);
  if (checks.length === 0) return undefined;
  const items = checks.map(
    ({ name, passed, message }) =>
      html`<li><span class="${passed ? "good" : "bad"}">${passed ? "✓" : "✗"}</span> ${name}${passed ? undefined : html`: <span class="bad">${message}</span>`}</li>\n`,
  );
  return html`<h3 id="${report.backend.name}-behaviour">Behaviour</h3><ul class="list">${items}</ul>`;
}

function skipped({ sections }: Report): Html | undefined {
  const all = sections.filter((section) => section.skipped !== undefined);
  if (all.length === 0) return undefined;
  return html`<h3>Skipped</h3>${all.map(({ level, name, skipped: why }) => html`<p>${level}, ${name}: <span class="soft">${why}</span></p>`)}`;
}

function deviations({ sections }: Report): Html | undefined {
  const known = knownDeviations(sections);
  if (known.length === 0) return undefined;
  const rows = known.map(
    ({ op, trait, checks, because }) =>
      html`<tr><td>${op} ${trait}</td><td class="number">${checks}</td><td class="soft">${because}</td></tr>\n`,
  );
  const head = html`<tr><th>op and trait</th><th class="number">checks</th><th>reason</th></tr>`;
  const table = html`<table><thead>${head}</thead><tbody>${rows}</tbody></table>`;
  return html`<h3>Known deviations</h3><div class="wide">${table}</div>`;
}

function surroundings({ backend, environment, started }: Report): Html {
  const { versions, cpuFlags = [], ...rest } = environment;
  const rows = Object.entries({
    library: `${backend.library} ${backend.version}`,
    device: backend.device,
    driver: backend.driver,
    "computes in": backend.dtypes.join(", "),
    runtime: rest.runtime,
    platform: rest.platform,
    CPU: rest.cpu && `${rest.cpu}, ${rest.cores} cores, ${rest.memory} GiB`,
    "CPU flags": cpuFlags.join(" "),
    versions: Object.entries(versions)
      .map((each) => each.join(" "))
      .join(", "),
    started,
  }).filter(([, text]) => text);
  return html`<h3>Surroundings</h3><dl>${rows.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl>`;
}
