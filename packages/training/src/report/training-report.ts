import { Html, html } from "@residual/kit/html";
import { counted } from "@residual/kit/names";
import type { Example } from "../data/dataset.ts";
import type { EpochRecord } from "../fit/state.ts";
import type { Judged } from "../metrics/judged.ts";
import { scores } from "../metrics/metrics.ts";
import { type Chosen, chosenOf } from "./chosen.ts";
import { confusion } from "./confusion.ts";
import { lineChart } from "./line-chart.ts";
import { percent, tableOf } from "./parts.ts";
import { figures, type Picture, type Pictures } from "./pictures.ts";
import { reliability } from "./reliability.ts";
import { style } from "./style.ts";

/** What a report of a run is made of: plain data. */
export interface ReportData {
  readonly title: string;
  /** Names and values for the head of the page. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly labels: readonly string[];
  /** Epochs of the last layer alone. */
  readonly headHistory: readonly EpochRecord[];
  readonly history: readonly EpochRecord[];
  readonly best: EpochRecord;
  /** Each held-out picture, by the best weights. */
  readonly judged: readonly Judged[];
  readonly examples: readonly Example[];
  /** By the index of the example. A picture without an entry is shown by its name. */
  readonly pictures: ReadonlyMap<number, Picture>;
  /** Names of pictures that could not be read. */
  readonly unreadable: readonly string[];
}

/** The indices of the examples whose pictures a report of them shows. */
export function picturesOfReport(judged: readonly Judged[]): readonly number[] {
  const { worst, cells } = chosenOf(judged);
  return [...new Set([...worst, ...cells.flatMap(({ shown }) => shown)].map(({ index }) => index))];
}

/** A report as one page that loads nothing: curves, confusion matrix, worst mistakes, classes, calibration. */
export function trainingReport(data: ReportData): string {
  const { title, facts, labels, judged, best, unreadable } = data;
  const found = scores(judged, labels.length);
  const chosen = chosenOf(judged);
  const right = judged.filter(({ rank }) => rank === 0).length;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}: training</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${right} of ${counted(judged.length, "held-out picture")} right (${percent(found.accuracy)}),
${best.epoch === 0 ? "by the last layer alone" : `after epoch ${best.epoch}`}; mean loss ${best.loss.toFixed(3)}.</p>
<dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
${unread(unreadable)}
${curves("Curves", "of augmented pictures", data.history)}
${curves("The last layer alone", "of the features that the rest computed", data.headHistory)}
<h2>Confusion</h2>
${confusion(found.confusion, labels, chosen.cells, picturesOf(data))}
${worst(chosen, data)}
<h2>Classes</h2>
<p class="soft">Precision: the share of pictures predicted as the class that are of it.
Recall: the share of the class's pictures that were predicted so.</p>
${tableOf(
  ["class", "pictures", "precision", "recall"],
  found.perClass.map(({ images, precision, recall }, label) => [
    labels[label]!,
    images,
    percent(precision),
    percent(recall),
  ]),
)}
<h2>Calibration</h2>
${reliability(found.calibration)}
</main>
</body>
</html>
`;
  return page.text;
}

const picturesOf = ({ examples, labels, pictures }: ReportData): Pictures => ({ examples, labels, pictures });

function unread(names: readonly string[]): Html | undefined {
  if (names.length === 0) return undefined;
  const items = names.map((name) => html`<li>${name}</li>`);
  return html`<details><summary>${counted(names.length, "picture")} could not be read</summary>
<ul>${items}</ul></details>`;
}

function curves(heading: string, of: string, history: readonly EpochRecord[]): Html | undefined {
  if (history.length === 0) return undefined;
  const column = (field: keyof EpochRecord) => history.map((record) => record[field]);
  const charts = [
    lineChart({
      title: "loss",
      series: [
        { name: "training", values: column("trainLoss") },
        { name: "held out", values: column("loss") },
      ],
      format: (value) => value.toPrecision(2),
    }),
    lineChart({
      title: "accuracy",
      series: [
        { name: "training", values: column("trainAccuracy") },
        { name: "held out", values: column("accuracy") },
      ],
      range: [0, 1],
      format: (value) => `${Math.round(100 * value)} %`,
    }),
    lineChart({
      title: "learning rate",
      series: [{ name: "at the end of the epoch", values: column("learningRate") }],
      format: (value) => value.toPrecision(2),
    }),
  ];
  const rows = history.map((each) => [
    String(each.epoch),
    each.learningRate.toPrecision(3),
    each.trainLoss.toFixed(4),
    percent(each.trainAccuracy),
    each.loss.toFixed(4),
    percent(each.accuracy),
  ]);
  const heads = ["epoch", "learning rate", "loss, training", "accuracy, training", "loss", "accuracy"];
  return html`<h2>${heading}</h2>
<p class="soft">Over epochs. The training lines are means over an epoch, ${of}.</p>
<div class="charts">${charts}</div><details><summary>The numbers</summary>${tableOf(heads, rows)}</details>`;
}

function worst({ worst: mistakes }: Chosen, data: ReportData): Html | undefined {
  if (mistakes.length === 0) return undefined;
  return html`<h2>Worst mistakes</h2>
<p class="soft">Wrong predictions with the largest loss.</p>
${figures(mistakes, picturesOf(data))}`;
}
