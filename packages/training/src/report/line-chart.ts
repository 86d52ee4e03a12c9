import { type Html, html } from "@residual/kit/html";

/** A line of a chart: a value for each epoch. */
interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface ChartOptions {
  readonly title: string;
  readonly series: readonly Series[];
  /** Bounds of the vertical axis. Default: from 0 to the largest value */
  readonly range?: readonly [number, number] | undefined;
  readonly format: (value: number) => string;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [460, 220, 56, 28, 12] as const;

/** Lines over epochs, as SVG whose colours the page's style sets. The numbers are in a table of the page. */
export function lineChart({ title, series, range, format }: ChartOptions): Html {
  const all = series.flatMap(({ values }) => values).filter(Number.isFinite);
  const [low, high] = range ?? [0, Math.max(...all, Number.MIN_VALUE)];
  const count = Math.max(...series.map(({ values }) => values.length));
  const x = (at: number) => LEFT + (count === 1 ? 0.5 : at / (count - 1)) * (WIDTH - LEFT - 12);
  const y = (value: number) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const ticks = [0, 1, 2, 3, 4].map((quarter) => low + (quarter / 4) * (high - low));
  return html`<figure><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}: ${series.map(words(format)).join("; ")}">
${ticks.map(
  (tick) =>
    html`<line class="grid" x1="${LEFT}" x2="${WIDTH - 12}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/>
<text x="${LEFT - 6}" y="${fixed(y(tick) + 4)}" text-anchor="end">${format(tick)}</text>`,
)}
${epochTicks(count).map(
  (epoch) => html`<text x="${fixed(x(epoch - 1))}" y="${HEIGHT - 8}" text-anchor="middle">${epoch}</text>`,
)}
${series.map(({ values }, at) => line(values, at, x, y))}
</svg>
<p class="key">${series.map(({ name }, at) => html`<span><i class="series${at}"></i>${name}</span>`)}</p></figure>\n`;
}

function line(values: readonly number[], at: number, x: (at: number) => number, y: (value: number) => number): Html {
  const points = values.flatMap((value, i) => (Number.isFinite(value) ? [`${fixed(x(i))},${fixed(y(value))}`] : []));
  if (points.length !== 1) return html`<polyline class="series${at}" points="${points.join(" ")}"/>\n`;
  const [cx, cy] = points[0]!.split(",");
  return html`<circle class="series${at}" cx="${cx}" cy="${cy}" r="4"/>\n`;
}

/** At most six epochs, the first and the last among them. */
function epochTicks(count: number): readonly number[] {
  const steps = Math.min(count - 1, 5);
  return Array.from({ length: steps + 1 }, (_, i) => 1 + Math.round((i * (count - 1)) / Math.max(steps, 1)));
}

const words =
  (format: (value: number) => string) =>
  ({ name, values }: Series): string =>
    `${name} from ${format(values[0] ?? Number.NaN)} to ${format(values.at(-1) ?? Number.NaN)}`;

const fixed = (value: number): string => value.toFixed(1);
