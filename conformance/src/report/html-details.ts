import { type Html, type HtmlPart, html } from "@residual/kit/html";
import { type Column, tableOf } from "./html-table.ts";
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
import type { Check, Report, Section } from "./types.ts";

/** The number of worst elements in a table: the failed ones, or without failures the nearest to their bounds. */
const [LISTED, FEW] = [20, 5];

/** All details of one backend: failures, models, ops, behaviour, deviations and environment. */
export function detailsOf(report: Report): Html {
  const { backend } = report;
  const models = modelsOf([report]).map((name) => model(report, name));
  return html`<h2>${backend.name}</h2>
${models.length > 0 ? html`<h3>Models</h3>${key()}${models}` : undefined}
${ops(report)}
${behaviour(report)}
${training(report)}
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
<details${wrong ? html` open` : undefined}><summary>${wrong ? "Elements that failed" : "Elements nearest to their bounds"}</summary>${worst(sections)}</details>
</section>\n`;
}

function firstWrongWords(check: Check | undefined): Html | undefined {
  if (!check) return undefined;
  return html`<p class="first"><strong>First wrong node: ${check.name}</strong>, run alone on the reference's own inputs.<br><code>${check.what}</code><br>${check.message}</p>`;
}

/** A cell for each check, in the order in which nodes run. */
function strip(section: Section): Html {
  const { level, variant, checks, skipped: why } = section;
  const head = html`<p class="soft">${level}, ${variant}: ${why ?? `${checks.length} checks`}</p>`;
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
  const cells = ["up to 0.001", "0.01", "0.1", "0.3", "0.7", "1"].map(
    (text, i) => html`<span><i style="background:var(--s${i})"></i>${text}</span>`,
  );
  const once = html`<span><i class="once"></i>rounded once at most: as exact as float32 can be</span>`;
  const over = html`<span><i class="over"></i>over its bound: wrong</span>`;
  const words = "A cell is a check; nodes stand in the order in which they run. The colour is the share of the bound:";
  return html`<p class="note">${words}</p><p class="key">${cells}${once}${over}</p>`;
}

/** The elements with the largest share of their bounds: the failed ones, if there are any. */
function worst(sections: readonly Section[]): Html | undefined {
  const checks = sections.flatMap((section) => section.checks).filter((check) => check.worst ?? !check.passed);
  const failed = checks.filter(({ passed }) => !passed);
  const shown = failed.length > 0 ? failed : checks;
  const sorted = shown.toSorted((a, b) => (b.share ?? 0) - (a.share ?? 0));
  return sorted.length === 0 ? undefined : table(sorted.slice(0, failed.length > 0 ? LISTED : FEW));
}

/** A number with as many digits as float32 has. */
const digits = (value: number): string => String(Number.isFinite(value) ? Number(value.toPrecision(9)) : value);

const elementColumns: readonly Column[] = [
  { name: "share", meaning: "|found − expected| / bound", look: "number" },
  { name: "name" },
  { name: "at", meaning: "the element's index on each axis", look: "mono" },
  { name: "expected", meaning: "in float64, by hand, from PyTorch or from the reference", look: "mono number" },
  { name: "found", meaning: "what the backend computed", look: "mono number" },
  { name: "bound", meaning: "the largest error that the backend's arithmetic allows there", look: "mono number" },
  { name: "what", look: "soft mono" },
];

function table(checks: readonly Check[]): Html {
  return tableOf(elementColumns, checks.map(elementRow), "cards");
}

function elementRow({ name, share, worst: element, what, message, passed }: Check): readonly HtmlPart[] {
  const much = share === undefined ? (passed ? "" : "✗") : formatShare(share);
  const numbers = element
    ? [`[${element.index.join(", ")}]`, digits(element.expected), digits(element.found), element.bound.toPrecision(3)]
    : ["", "", "", ""];
  return [marked(much, !passed), name, ...numbers, what ?? (element ? "" : message)];
}

const marked = (text: HtmlPart, isBad: boolean): Html =>
  html`<span${isBad ? html` class="bad"` : undefined}>${text}</span>`;

const opColumns: readonly Column[] = [
  { name: "op" },
  { name: "checks", meaning: "cases, recorded answers and layers that were run", look: "number" },
  { name: "failed", meaning: "checks over their bounds that nothing excuses", look: "number" },
  {
    name: "excused",
    meaning: "checks over their bounds that a known deviation of the backend explains",
    look: "number",
  },
  {
    name: "largest share",
    meaning: "of any check, excused ones and results of one rounding left out; 0 is exact",
    look: "number",
  },
];

function ops(report: Report): Html | undefined {
  const sections = sectionsOf(report, ["ops"]);
  if (sections.length === 0) return undefined;
  const checks = sections.flatMap((section) => section.checks);
  const names = [...new Set(checks.flatMap(({ op }) => op ?? []))].sort();
  const failed = checks.filter(({ passed }) => !passed);
  const rows = names.map((name) =>
    opRow(
      name,
      checks.filter(({ op }) => op === name),
    ),
  );
  return html`<h3 id="${report.backend.name}-ops">Ops</h3>
${tableOf(opColumns, rows)}
${failed.length > 0 ? html`<h3 class="bad">Checks of ops that failed${listedOf(failed.length)}</h3>${table(failed.slice(0, LISTED))}` : undefined}`;
}

const listedOf = (count: number): string => (count > LISTED ? `, ${LISTED} of ${count}` : "");

function opRow(name: string, checks: readonly Check[]): readonly HtmlPart[] {
  const { failed, deviations: excused, share } = sumOf([{ level: "ops", name, milliseconds: 0, checks }]);
  return [name, checks.length, marked(failed, failed > 0), excused, formatShare(share)];
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

const trainingColumns: readonly Column[] = [
  { name: "section" },
  { name: "checks", meaning: "cases, gradients, nodes and records that were run", look: "number" },
  { name: "failed", meaning: "checks over their bounds that nothing excuses", look: "number" },
  { name: "largest share", meaning: "of any check, results of one rounding left out; 0 is exact", look: "number" },
  { name: "first wrong" },
];

function training(report: Report): Html | undefined {
  const sections = sectionsOf(report, ["train"]).filter((section) => section.skipped === undefined);
  if (sections.length === 0) return undefined;
  const rows = sections.map((section) => {
    const { checks, failed, share } = sumOf([section]);
    const { name, variant } = section;
    const first = section.checks.find(({ passed }) => !passed);
    const title = variant === undefined ? name : `${name}, ${variant}`;
    return [title, checks, marked(failed, failed > 0), formatShare(share), first?.name ?? ""];
  });
  return html`<h3 id="${report.backend.name}-train">Training</h3>
${tableOf(trainingColumns, rows)}`;
}

function skipped({ sections }: Report): Html | undefined {
  const all = sections.filter((section) => section.skipped !== undefined);
  if (all.length === 0) return undefined;
  return html`<h3>Skipped</h3>${all.map(({ level, name, skipped: why }) => html`<p>${level}, ${name}: <span class="soft">${why}</span></p>`)}`;
}

function deviations({ sections }: Report): Html | undefined {
  const known = knownDeviations(sections);
  if (known.length === 0) return undefined;
  const rows = known.map(({ op, trait, checks, because }) => [`${op} ${trait}`, checks, because]);
  return html`<h3>Known deviations</h3>${tableOf(deviationColumns, rows)}`;
}

const deviationColumns: readonly Column[] = [
  { name: "op and trait" },
  { name: "checks", meaning: "how many the deviation excuses: they failed, and count as passed", look: "number" },
  { name: "reason", look: "soft" },
];

function surroundings({ backend, environment, started }: Report): Html {
  const { versions, cpuFlags = [], ...rest } = environment;
  const rows = Object.entries({
    library: `${backend.library} ${backend.version}`,
    device: backend.device,
    driver: backend.driver,
    "computes in": backend.dtypes.join(", "),
    runtime: rest.runtime,
    platform: rest.platform,
    CPU: rest.cpu && `${rest.cpu}, ${rest.cores} cores, ${rest.memory} GiB of memory`,
    "CPU flags": cpuFlags.join(" "),
    versions: Object.entries(versions)
      .map((each) => each.join(" "))
      .join(", "),
    started,
  }).filter(([, text]) => text);
  return html`<h3>Surroundings</h3><dl>${rows.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl>`;
}
