import { type Html, html } from "@residual/kit/html";
import type { Calibration } from "../metrics/metrics.ts";
import { percent, tableOf } from "./parts.ts";

const [SIDE, LEFT, BOTTOM, TOP] = [240, 48, 40, 10] as const;

/** Accuracy by confidence. A calibrated network's bars end at the diagonal. */
export function reliability({ error, bins }: Calibration): Html {
  const x = (share: number) => (LEFT + share * SIDE).toFixed(1);
  const y = (share: number) => (TOP + (1 - share) * SIDE).toFixed(1);
  const filled = bins.filter(({ count }) => count > 0);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const bars = filled.map(({ low, high, accuracy }) => {
    const [width, height] = [high - low - 0.008, accuracy].map((share) => (share * SIDE).toFixed(1));
    return html`<rect class="bar" x="${x(low + 0.004)}" y="${y(accuracy)}" width="${width}" height="${height}"/>\n`;
  });
  return html`<p class="soft">The expected calibration error is ${percent(error)}:
the mean distance of accuracy and confidence.</p>
<div class="charts"><figure class="square"><figcaption>accuracy by confidence</figcaption>
<svg viewBox="0 0 ${LEFT + SIDE + 24} ${TOP + SIDE + BOTTOM}" role="img"
 aria-label="Accuracy by confidence; the numbers are in the table below">
${ticks.map(
  (tick) =>
    html`<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${y(tick)}" y2="${y(tick)}"/>
<text x="${LEFT - 6}" y="${Number(y(tick)) + 4}" text-anchor="end">${100 * tick} %</text>
<text x="${x(tick)}" y="${TOP + SIDE + 18}" text-anchor="middle">${100 * tick} %</text>\n`,
)}${bars}<line class="ideal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}"/>
</svg></figure></div>
<details><summary>The numbers</summary>${tableOf(
    ["confidence", "pictures", "mean confidence", "accuracy"],
    filled.map(({ low, high, count, confidence, accuracy }) => [
      `${percent(low)} to ${percent(high)}`,
      count,
      percent(confidence),
      percent(accuracy),
    ]),
  )}</details>`;
}
