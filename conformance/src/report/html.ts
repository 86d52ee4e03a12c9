import { Html, html } from "@residual/kit/html";
import { detailsOf } from "./html-details.ts";
import { script, style } from "./style.ts";
import { firstWrong, formatShare, modelsOf, ofModels, type Sum, sectionsOf, sumOf, verdictOf } from "./summary.ts";
import type { Report } from "./types.ts";

const intro =
  "A share is the error of a result divided by its bound, the largest error that the backend's arithmetic allows. It " +
  "has no unit: 0 is exact, up to 1 conforms, more is wrong, for every op, model and backend. Results of a single rounding are " +
  "checked too and left out of the shares, since their errors always fill the bound.";

const matrixNote =
  "✓: all checks passed, with the largest share among them. ✗: the first wrong node, or how many checks failed. " +
  "–: not run.";

/** Reports as one page without other files. The page shows the conforming results first and the failures below. */
export function toHtml(reports: readonly Report[]): string {
  const names = reports.map(({ backend }) => backend.name).join(", ");
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${names}: conformance</title>
<style>${new Html(style)}</style>
</head>
<body>
<h1>Conformance</h1>
<p class="soft">${intro}</p>
<ul class="verdicts">${reports.map(verdict)}</ul>
${matrix(reports)}
${reports.map(detailsOf)}
<script>${new Html(script)}</script>
</body>
</html>
`;
  return page.text;
}

function verdict(report: Report): Html {
  const { backend, sections, level, milliseconds, started, remaining = 0 } = report;
  const { checks, failed, deviations } = sumOf(sections);
  const known = deviations > 0 ? `, ${deviations} of them excused by known deviations` : "";
  const toCome = remaining > 0 ? `, ${remaining} sections still to run` : "";
  const words = verdictOf(report);
  const colour = report.passed ? "good" : words === "has not finished" ? "open" : "bad";
  return html`<li class="${colour}"><strong class="${colour}">${backend.name} <span>${words}</span></strong>
<span>${(checks - failed).toLocaleString("en-US")} of ${checks.toLocaleString("en-US")} checks passed${known}${toCome}</span>
<span>${backend.library} ${backend.version}, ${backend.device}; level ${level}, run in ${(milliseconds / 1000).toFixed(0)} s on ${started.slice(0, 10)}</span></li>`;
}

function matrix(reports: readonly Report[]): Html {
  const all = [
    { name: "every op", at: "ops", of: (report: Report) => sectionsOf(report, ["ops"]) },
    { name: "behaviour", at: "behaviour", of: (report: Report) => sectionsOf(report, ["behaviour"]) },
    { name: "training", at: "train", of: (report: Report) => sectionsOf(report, ["train"]) },
    ...modelsOf(reports).map((name) => ({
      name,
      at: name,
      of: (report: Report) => sectionsOf(report, ofModels, name),
    })),
  ];
  return html`<div class="wide"><table class="matrix">
<thead><tr><td></td>${reports.map(({ backend }) => html`<th scope="col">${backend.name}</th>`)}</tr></thead>
<tbody>${all.map(
    ({ name, at, of }) =>
      html`<tr><th scope="row">${name}</th>${reports.map((report) => html`<td>${cell(sumOf(of(report)), firstWrong(of(report))?.name, `${report.backend.name}-${at}`)}</td>`)}</tr>\n`,
  )}</tbody></table></div><p class="note">${matrixNote}</p>`;
}

function cell({ checks, failed, share, skipped }: Sum, first: string | undefined, id: string): Html {
  if (checks === 0) return html`<span class="cell none" title="${skipped ?? "not run"}">–</span>`;
  if (failed === 0) return html`<a class="cell good" href="#${id}">✓ ${share > 0 ? formatShare(share) : ""}</a>`;
  return html`<a class="cell bad" href="#${id}">✗ ${first ?? `${failed} failed`}</a>`;
}
